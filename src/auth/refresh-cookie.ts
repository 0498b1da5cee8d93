import '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

const NAME = 'refresh_token';
const OPTIONS = { httpOnly: true, secure: true, sameSite: 'strict', path: '/auth' } as const;

/** `maxAge` in seconds: no longer than the login can last without being used. */
export function setRefreshCookie(reply: FastifyReply, token: string, maxAge: number): void {
  reply.setCookie(NAME, token, { ...OPTIONS, maxAge });
}

export function clearRefreshCookie(reply: FastifyReply): void {
  reply.clearCookie(NAME, OPTIONS);
}

export function refreshCookieOf(request: FastifyRequest): string | undefined {
  return request.cookies?.[NAME] || undefined;
}
