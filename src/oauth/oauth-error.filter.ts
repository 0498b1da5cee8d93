import { Catch } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemFilter, sendProblem } from '../common/problem.filter.js';
import { Problem } from '../common/problem.js';
import { OAUTH_ERRORS } from './oauth.errors.js';

/**
 * RFC 6749's word for what a refusal is about. A refresh that was refused is 400 there, and the login may go on elsewhere where
 * only tokens are not enabled: a client drops its token at `invalid_grant` alone.
 */
function errorOf({ code, status }: Problem): { readonly error: string; readonly status: number } {
  if (code.startsWith('refresh_token_')) return { error: 'invalid_grant', status: 400 };
  if (code === 'jwt_not_enabled') return { error: 'unauthorized_client', status: 400 };
  if (Object.hasOwn(OAUTH_ERRORS, code)) return { error: code, status };
  if (status === 503 || status === 429) return { error: 'temporarily_unavailable', status };
  return { error: status >= 500 ? 'server_error' : 'invalid_request', status };
}

/** Refusals as RFC 6749 wants them: a problem that has `error` and `error_description` too, as JSON for whoever asks for JSON. */
@Catch()
export class OAuthErrorFilter extends ProblemFilter {
  // Nest would look for what the parent takes.
  constructor() {
    super();
  }

  protected override send(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
    const { error, status } = errorOf(problem);
    const { code, title, message: detail, headers: all, cause } = problem;
    // The challenge of a 401 that is none here.
    const headers = Object.fromEntries(
      Object.entries(all).filter(([name]) => status === 401 || name !== 'WWW-Authenticate'),
    );
    const told = new Problem(code, { status, title }, { detail, headers, cause });
    sendProblem(request, reply, told, {
      members: { error, error_description: title },
      type: /\bapplication\/json\b/i.test(request.headers.accept ?? '')
        ? 'application/json; charset=utf-8'
        : undefined,
    });
  }
}
