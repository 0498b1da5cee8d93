import '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

const NAME = 'refresh_token';
const OPTIONS = { httpOnly: true, secure: true, sameSite: 'strict', path: '/auth' } as const;

/** `maxAge` in seconds: no longer than the login can last without being used. */
export function setRefreshCookie(reply: FastifyReply, token: string, maxAge: number): void {
  // As `OPTIONS` say it. The plugin would look through them again for each token, of which no character needs escaping.
  reply.header(
    'Set-Cookie',
    `${NAME}=${token}; Max-Age=${maxAge}; Path=/auth; HttpOnly; Secure; SameSite=Strict`,
  );
}

export function clearRefreshCookie(reply: FastifyReply): void {
  reply.clearCookie(NAME, OPTIONS);
}

export function refreshCookieOf(request: FastifyRequest): string | undefined {
  return request.cookies?.[NAME] || undefined;
}
