import type { Tokens } from './service-calls.js';

/** An access token in memory. Times are in milliseconds of `performance.now()`, which no change of the wall clock moves. */
export interface AccessToken {
  readonly token: string;
  /** The user; undefined if the token cannot be read. */
  readonly sub: string | undefined;
  /** The id of the login: its token family. */
  readonly id: string;
  /** When a refresh starts to make sense. */
  readonly renewAt: number;
  readonly expiresAt: number;
}

const MAX_MARGIN_MS = 30_000;

/**
 * `askedAt`: when the request for the tokens was sent. `id` is the login's id if the token cannot be read. Throws if the answer contains no
 * access token.
 */
export function accessTokenIn(
  { access_token: token, expires_in }: Tokens,
  askedAt: number,
  id = String(Math.random()),
): AccessToken {
  if (typeof token !== 'string') throw new TypeError('no access token');
  const life = expires_in * 1000 || 0;
  const expiresAt = askedAt + life;
  const { sub, sid = id } = claimsOf(token);
  return {
    token,
    sub,
    id: sid,
    expiresAt,
    renewAt: expiresAt - Math.min(MAX_MARGIN_MS, life / 10),
  };
}

/** Read, not verified: only the service decides whether a token is valid. */
function claimsOf(token: string): { readonly sub?: string; readonly sid?: string } {
  try {
    return JSON.parse(atob(token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/'))) as object;
  } catch {
    return {};
  }
}
