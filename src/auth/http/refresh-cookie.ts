import '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { cookieValues } from '../../common/cookie-values.js';
import type { Config } from '../../config/config.js';

const NAME = 'refresh_token';
const OPTIONS = { httpOnly: true, secure: true, sameSite: 'strict' } as const;

/** What the browser sends it to. */
const pathBelow = ({ pathPrefix }: Config) => `${pathPrefix}/auth`;

/** `maxAge` in seconds: no longer than the login can last without being used. */
export function setRefreshCookie(reply: FastifyReply, token: string, maxAge: number, config: Config): void {
  // As `OPTIONS` say it. The plugin would look through them again for each token, of which no character needs escaping.
  reply.header(
    'Set-Cookie',
    `${NAME}=${token}; Max-Age=${maxAge}; Path=${pathBelow(config)}; HttpOnly; Secure; SameSite=Strict`,
  );
}

export function clearRefreshCookie(reply: FastifyReply, config: Config): void {
  reply.clearCookie(NAME, { ...OPTIONS, path: pathBelow(config) });
}

/** The first of them: for what only looks at who may be calling, and lets nobody in. */
export function refreshCookieOf(request: FastifyRequest): string | undefined {
  return refreshCookiesOf(request)[0];
}

/** The different values of all the cookies that a request has under the name: more than one if somebody else set one too. */
export function refreshCookiesOf({ headers }: FastifyRequest): string[] {
  return cookieValues(headers.cookie, NAME).filter((value) => value !== '');
}
