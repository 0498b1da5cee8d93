import { Catch, HttpException, Logger } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AllowedMethods } from './allowed-methods.js';
import { COMMON_ERRORS, refuse, unavailable } from '../common.errors.js';
import { Problem } from './problem.js';
import { TransientError, isTransient } from '../transient-error.js';

type CommonCode = keyof typeof COMMON_ERRORS;

const BY_STATUS: Readonly<Record<number, CommonCode>> = {
  401: 'unauthorized',
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
};

/** Client data that PostgreSQL cannot store: NUL, a number out of range, text that is no UUID (Appendix A). */
const UNSTORABLE = /^22(?:003|021|P02|P05)$/;

/** Converts errors to the problems that clients get. Messages of libraries never reach a client, because they quote the request. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof TransientError) return unavailable(error);
  const { code, statusCode } = Object(error) as { code?: unknown; statusCode?: unknown };
  const status = error instanceof HttpException ? error.getStatus() : statusCode;
  if (status === 503) return unavailable(error);
  // Before `isTransient`: a client that closes the connection is ECONNRESET too, with status 400.
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return refuse(BY_STATUS[status] ?? 'malformed_request', { cause: error });
  }
  if (typeof code === 'string' && UNSTORABLE.test(code)) return refuse('validation_failed', { cause: error });
  return isTransient(error) ? unavailable(error) : refuse('internal_error', { cause: error });
}

/** The body of a problem (RFC 9457). */
export function problemBody(problem: Problem, requestId: string): object {
  return {
    type: `urn:tandem:error:${problem.code}`,
    title: problem.title,
    status: problem.getStatus(),
    detail: problem.message,
    code: problem.code,
    request_id: requestId,
    ...(problem.errors === undefined ? {} : { errors: problem.errors }),
    ...problem.members,
  };
}

/** Answers every error as `application/problem+json`, without internal details. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  constructor(private readonly allowed?: AllowedMethods) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const request = http.getRequest<FastifyRequest>();
    const problem = this.of(error, request);
    const entry = { err: problem.cause, detail: problem.message, request_id: request.id };
    const status = problem.getStatus();
    if (status === 500) this.logger.error(entry, 'unexpected error');
    // Without a cause the request's own line says everything. Under overload there are very many.
    if (status === 503 && problem.cause !== undefined) this.logger.warn(entry, 'unavailable');
    if (reply.sent) return;
    // Part of another answer has been sent. Cut the connection, so that the client does not take it for the whole.
    if (reply.raw.headersSent) reply.raw.destroy();
    else this.send(request, reply, problem);
  }

  /** Override it to answer in another form. */
  protected send(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
    sendProblem(request, reply, problem);
  }

  /** Converts an error. A known path with another method becomes a 405. */
  private of(error: unknown, request: FastifyRequest): Problem {
    const allow = request.is404 ? this.allowed?.of(request.url) : undefined;
    if (allow === undefined || error instanceof Problem || !(error instanceof HttpException))
      return problemOf(error);
    return refuse('method_not_allowed', { headers: { Allow: allow } });
  }
}

/** Additions of another protocol to a problem: its own members (RFC 9457, section 3.2) and its content type. */
export interface ProblemForm {
  readonly members?: Readonly<Record<string, string>>;
  readonly type?: string | undefined;
}

/** A request after {@link sendProblem}. */
export type RefusedRequest = FastifyRequest & { problem?: Problem };

/** Sends a problem with `request_id` and the headers of every error. No cache may store it. */
export function sendProblem(
  request: RefusedRequest,
  reply: FastifyReply,
  problem: Problem,
  { members = {}, type = 'application/problem+json; charset=utf-8' }: ProblemForm = {},
): void {
  const status = problem.getStatus();
  request.problem = problem;
  reply.header('Cache-Control', 'no-store');
  // Proxies replace the body of these answers.
  if (status === 401 || status === 403) reply.header('X-Auth-Error', problem.code);
  if (status === 401) reply.header('WWW-Authenticate', 'Bearer realm="tandem"');
  if (status === 503) reply.header('Retry-After', '1');
  // Do not read the rest of the body.
  if (status === 413) reply.header('Connection', 'close');
  void reply
    .headers(problem.headers)
    .status(status)
    .type(type)
    .send(JSON.stringify({ ...problemBody(problem, request.id), ...members }));
}
