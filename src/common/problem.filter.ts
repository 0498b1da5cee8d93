import { Catch, HttpException, Logger } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isUnavailable } from '../database/database.errors.js';
import { COMMON_ERRORS, refuse, unavailable } from './common.errors.js';
import { Problem } from './problem.js';

type CommonCode = keyof typeof COMMON_ERRORS;

const BY_STATUS: Readonly<Record<number, CommonCode>> = {
  400: 'malformed_request',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  413: 'payload_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  417: 'expectation_failed',
  429: 'rate_limited',
  431: 'headers_too_large',
  503: 'service_unavailable',
};

/** Client data that PostgreSQL cannot hold: NUL, a number out of range, text that is no UUID. */
const UNSTORABLE = /^22(?:003|021|P02|P05)$/;

/** What a client is told of an error. Texts of other libraries never reach it: they quote what was sent. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isUnavailable(error)) return unavailable(error);
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  if (typeof code === 'string' && UNSTORABLE.test(code)) return refuse('validation_failed', { cause: error });
  const status = error instanceof HttpException ? error.getStatus() : statusCode;
  const known = typeof status === 'number' ? BY_STATUS[status] : undefined;
  if (known !== undefined) return refuse(known, { cause: error });
  if (typeof status === 'number' && status >= 400 && status < 500)
    return refuse('malformed_request', { cause: error });
  return refuse('internal_error', { cause: error });
}

/** The body of a problem (RFC 9457). */
export function problemBody(problem: Problem, requestId: string): object {
  return {
    type: `urn:tandem:error:${problem.code}`,
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    code: problem.code,
    request_id: requestId,
    ...(problem.errors === undefined ? {} : { errors: problem.errors }),
  };
}

/** Lets every error leave as `application/problem+json`, and nothing of its inside. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const request = http.getRequest<FastifyRequest>();
    const problem = problemOf(error);
    if (problem.status === 500)
      this.logger.error({ err: problem.cause, request_id: request.id }, 'unexpected error');
    if (problem.status === 503)
      this.logger.warn({ err: problem.cause, request_id: request.id }, 'unavailable');
    if (reply.sent) return;
    sendProblem(request, reply, problem);
  }
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
  if (problem.status === 401) reply.header('WWW-Authenticate', 'Bearer realm="tandem"');
  if (/^\/auth(?:[/?]|$)/.test(request.url)) reply.header('Cache-Control', 'no-store');
  void reply
    .headers(problem.headers)
    .status(problem.status)
    .type('application/problem+json; charset=utf-8')
    .send(JSON.stringify(problemBody(problem, String(request.id))));
}
