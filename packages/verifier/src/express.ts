import { AuthError, PROBLEM_TYPE } from './auth-error.js';
import { authenticate } from './authenticate.js';
import type { Principal } from './principal.js';
import type { RequestLike } from './request.js';
import type { Verifier } from './verifier.js';

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- Express is extended this way.
  namespace Express {
    interface Request {
      /** The authenticated caller. `requireAuth` sets it. */
      principal?: Principal;
    }
  }
}

export interface RequireAuthOptions {
  /** The principal needs one of these roles. Otherwise the answer is 403 `forbidden`. */
  readonly roles?: readonly string[] | undefined;
}

/** The part of Express' response that is needed. It is the same in Express 4 and 5. */
export interface ExpressResponse {
  status(status: number): this;
  set(headers: Record<string, string>): this;
  end(body: string): unknown;
}

export type ExpressMiddleware = (
  request: RequestLike & { principal?: Principal },
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Middleware that lets only authenticated requests pass and sets `req.principal`. It answers refusals itself, as the service does. It
 * reads headers only, so it may stand before or after body parsers.
 */
export function requireAuth(verifier: Verifier, { roles }: RequireAuthOptions = {}): ExpressMiddleware {
  return (request, response, next) => {
    void authenticate(verifier, request, roles).then(
      (principal) => {
        request.principal = principal;
        next();
      },
      (error: unknown) => {
        if (error instanceof AuthError) refuse(response, error);
        else next(error);
      },
    );
  };
}

function refuse(response: ExpressResponse, error: AuthError): void {
  response
    .status(error.status)
    .set({ ...error.headers, 'Content-Type': PROBLEM_TYPE })
    .end(JSON.stringify(error.toProblem()));
}
