import type { InjectOptions } from 'fastify';
import { signSid, unsignSid } from '../../../src/transition/sessions/stores/express-session.codec.js';
import type { TestApp } from '../../helpers/app.js';
import { codeOf } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';

export const NAME = 'session_id';

/** What test nodes sign session cookies with, unless told otherwise. */
export const SECRET = 'of a test';

export type SessionCall = Omit<InjectOptions, 'headers' | 'cookies'> & {
  readonly headers?: Record<string, string>;
};

/** The session cookie that a response sets, ready for a request; undefined if it sets none. */
export function sessionCookie(reply: Reply): string | undefined {
  const cookie = reply.cookies.find(({ name }) => name === NAME);
  return cookie && cookie.value !== '' ? cookieOf(cookie.value) : undefined;
}

export function cookieOf(value: string): string {
  return `${NAME}=${encodeURIComponent(value)}`;
}

/** The cookie of a session that somebody else made. */
export function cookieFor(sid: string, secret = SECRET): string {
  return cookieOf(signSid(sid, secret));
}

export function sidIn(cookie: string): string {
  return unsignSid(decodeURIComponent(cookie.slice(NAME.length + 1)), SECRET)!;
}

export function trySessionLogin(
  node: TestApp,
  { username, password }: Account,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return node.app.inject({ method: 'POST', url: '/api/login', payload: { username, password }, headers });
}

/** Throws unless a session was begun. */
export async function sessionLogin(node: TestApp, account: Account, cookie?: string): Promise<string> {
  const reply = await trySessionLogin(node, account, cookie === undefined ? {} : { cookie });
  const made = sessionCookie(reply);
  if (reply.statusCode !== 200 || made === undefined)
    throw new Error(`no session: ${reply.statusCode} ${reply.body}`);
  return made;
}

export function bySession(node: TestApp, cookie: string, call: SessionCall): Promise<Reply> {
  return node.app.inject({ ...call, headers: { ...call.headers, cookie } });
}

/** Whether a node takes the session: the status and, of a refusal, the code. */
export async function verifySession(node: TestApp, cookie: string): Promise<string> {
  const reply = await bySession(node, cookie, { url: '/auth/verify' });
  return reply.statusCode === 204 ? '204' : `${reply.statusCode} ${codeOf(reply)}`;
}

export function statusOf(reply: Reply): string {
  return `${reply.statusCode} ${codeOf(reply) ?? ''}`.trim();
}
