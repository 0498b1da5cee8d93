import { randomUUID } from 'node:crypto';
import type { InjectOptions } from 'fastify';
import { decodeJwt } from 'jose';
import type { TestApp } from './app.js';

export type Reply = Awaited<ReturnType<TestApp['app']['inject']>>;

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly token_type: string;
  readonly expires_in: number;
}

export interface Account {
  readonly id: string;
  readonly username: string;
  readonly password: string;
}

/** What the admin of every test node is called. */
export const ROOT: Account = { id: '', username: 'root', password: 'a long enough pass phrase' };

type More = Omit<InjectOptions, 'method' | 'url' | 'payload'>;

export function post(node: TestApp, url: string, payload?: object, more: More = {}): Promise<Reply> {
  return node.app.inject({ ...more, method: 'POST', url, ...(payload === undefined ? {} : { payload }) });
}

export function get(node: TestApp, url: string, accessToken?: string): Promise<Reply> {
  return node.app.inject({ url, ...(accessToken === undefined ? {} : bearer(accessToken)) });
}

/** Whether a node takes the access token: the status and, of a refusal, the code. */
export async function verify(node: TestApp, accessToken: string): Promise<string> {
  const reply = await get(node, '/auth/verify', accessToken);
  return reply.statusCode === 204 ? '204' : `${reply.statusCode} ${codeOf(reply)}`;
}

export function bearer(accessToken: string): { headers: { authorization: string } } {
  return { headers: { authorization: `Bearer ${accessToken}` } };
}

export function tryLogin(node: TestApp, { username, password }: Account, more: More = {}): Promise<Reply> {
  return post(node, '/auth/login', { username, password }, more);
}

export async function login(node: TestApp, account: Account = ROOT, more: More = {}): Promise<Tokens> {
  return tokensOf(await tryLogin(node, account, more));
}

export function tryRefresh(node: TestApp, refreshToken: string, more: More = {}): Promise<Reply> {
  return post(node, '/auth/refresh', { refresh_token: refreshToken }, more);
}

export async function refresh(node: TestApp, refreshToken: string): Promise<Tokens> {
  return tokensOf(await tryRefresh(node, refreshToken));
}

/** Throws unless tokens were given out. */
export function tokensOf(reply: Reply): Tokens {
  if (reply.statusCode !== 200) throw new Error(`no tokens: ${reply.statusCode} ${reply.body}`);
  return reply.json<Tokens>();
}

/** Of a problem; undefined for any other answer. */
export function codeOf(reply: Reply): string | undefined {
  return reply.body === '' ? undefined : reply.json<{ code?: string }>().code;
}

/** The refresh token that the response sets as a cookie. */
export function refreshCookie(reply: Reply) {
  return reply.cookies.find(({ name }) => name === 'refresh_token');
}

/** The login that an access token belongs to. */
export function sidOf({ access_token }: Pick<Tokens, 'access_token'>): string {
  return decodeJwt<{ sid: string }>(access_token).sid;
}

/** A user whom nobody else uses, made by the admin. */
export async function aUser(node: TestApp, more: { role?: string } = {}): Promise<Account> {
  const { access_token } = await login(node);
  const account = { username: `user-${randomUUID()}`, password: `pass phrase of ${randomUUID()}` };
  const reply = await post(node, '/admin/users', { ...account, ...more }, bearer(access_token));
  if (reply.statusCode !== 201) throw new Error(`no user: ${reply.statusCode} ${reply.body}`);
  return { ...account, id: reply.json<{ id: string }>().id };
}

export function sql<Row>(node: TestApp, text: string, values: unknown[] = []): Promise<Row[]> {
  return node.db.dataSource.query<Row[]>(text, values);
}

/** Every row of every table, as text. */
export async function everyRow(node: TestApp): Promise<string[]> {
  const tables = await sql<{ name: string }>(
    node,
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'tandem'`,
  );
  const rows: string[] = [];
  for (const { name } of tables) {
    rows.push(
      ...(await sql<{ row: string }>(node, `SELECT t::text AS row FROM "${name}" AS t`)).map(
        ({ row }) => row,
      ),
    );
  }
  return rows;
}

/** Lets the current refresh token of a login be that old, and the login as long unused. */
export async function age(node: TestApp, sid: string, seconds: number): Promise<void> {
  await sql(
    node,
    `UPDATE refresh_tokens SET rotated_at = rotated_at - make_interval(secs => $2) WHERE id = $1`,
    [sid, seconds],
  );
}

/** Waits until `look` says so, for so many milliseconds at most; says how long it took. */
export async function until(look: () => Promise<boolean>, milliseconds: number): Promise<number> {
  const began = performance.now();
  while (!(await look())) {
    if (performance.now() - began > milliseconds) throw new Error(`not within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - began;
}
