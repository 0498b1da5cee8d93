import { Catch } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemFilter, sendProblem } from '../common/http/problem.filter.js';
import { Problem } from '../common/http/problem.js';
import { OAUTH_ERRORS } from './oauth.errors.js';

/**
 * The error code of RFC 6749 for a refusal, and its status there: a refused refresh is 400. A client drops its token at
 * `invalid_grant` only. While tokens are not enabled for a user, the family stays valid, so the code is another one.
 */
function errorOf(problem: Problem): { readonly error: string; readonly status: number } {
  const { code } = problem;
  const status = problem.getStatus();
  if (code.startsWith('refresh_token_')) return { error: 'invalid_grant', status: 400 };
  if (code === 'jwt_not_enabled') return { error: 'unauthorized_client', status: 400 };
  if (Object.hasOwn(OAUTH_ERRORS, code)) return { error: code, status };
  if (status === 503 || status === 429) return { error: 'temporarily_unavailable', status };
  return { error: status >= 500 ? 'server_error' : 'invalid_request', status };
}

/** Refusals as RFC 6749 defines them: a problem with `error` and `error_description`, as JSON if the client asks for JSON. */
@Catch()
export class OAuthErrorFilter extends ProblemFilter {
  // Without parameters, because Nest creates it.
  constructor() {
    super();
  }

  protected override send(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
    const { error, status } = errorOf(problem);
    const { code, title, message: detail, headers: all, cause } = problem;
    // Without the challenge of a refusal that has another status here.
    const headers = Object.fromEntries(
      Object.entries(all).filter(([name]) => status === problem.getStatus() || name !== 'WWW-Authenticate'),
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
