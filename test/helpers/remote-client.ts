import type { Tokens } from './client.js';
import { ADMIN } from './node-process.js';

/** Where a node is; a node process or anything else with an address. */
interface Remote {
  readonly url: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of a problem. */
  readonly code: string | undefined;
}

/** Milliseconds that any answer may take: more than the service ever waits. */
const PATIENCE = 15_000;

/** One call over HTTP. Rejects when the connection fails or no answer comes. */
export async function call(
  { url }: Remote,
  method: string,
  path: string,
  { token, body }: { readonly token?: string; readonly body?: object | string } = {},
): Promise<Answer> {
  const headers: Record<string, string> = {};
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const response = await fetch(`${url}${path}`, {
    method,
    headers,
    signal: AbortSignal.timeout(PATIENCE),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const problem = response.headers.get('content-type')?.includes('problem+json') === true;
  const code = problem ? (JSON.parse(text) as { code: string }).code : undefined;
  return { status: response.status, headers: response.headers, text, code };
}

export function tryLogin(node: Remote, body: object = ADMIN): Promise<Answer> {
  return call(node, 'POST', '/auth/login', { body });
}

/** Logs in as the first admin. */
export async function login(node: Remote): Promise<Tokens> {
  return tokensIn(await tryLogin(node));
}

export function tryRefresh(node: Remote, refreshToken: string): Promise<Answer> {
  return call(node, 'POST', '/auth/refresh', { body: { refresh_token: refreshToken } });
}

export async function refresh(node: Remote, refreshToken: string): Promise<Tokens> {
  return tokensIn(await tryRefresh(node, refreshToken));
}

export function logout(node: Remote, token: string): Promise<Answer> {
  return call(node, 'POST', '/auth/logout', { token });
}

/** What the node says of the access token. */
export function verify(node: Remote, token: string): Promise<Answer> {
  return call(node, 'GET', '/auth/verify', { token });
}

/** Throws unless tokens were given out. */
export function tokensIn({ status, text }: Answer): Tokens {
  if (status !== 200) throw new Error(`no tokens: ${status} ${text}`);
  return JSON.parse(text) as Tokens;
}
