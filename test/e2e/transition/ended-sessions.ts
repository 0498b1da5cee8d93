import { expect } from 'vitest';
import type { TestApp } from '../../helpers/app.js';
import { aUser, login, sql, tokensOf, tryRefresh, verify } from '../../helpers/client.js';
import type { Account, Reply, Tokens } from '../../helpers/client.js';
import { REVOCATIONS, storeSession } from './revocations.js';
import { bySession, sidIn, statusOf, verifySession } from './session-client.js';
import { exchange } from './session-nodes.js';

/** Of the table of sessions, and how it is undone. */
export interface Change {
  readonly apply: string;
  readonly undo: string;
  /** The role of the service may not even expire a row. */
  readonly writesNothing?: true;
}

interface Arranged {
  readonly user: Account;
  /** Of a login that has nothing to do with sessions. */
  readonly tokens: Tokens;
  /** A session that was exchanged, and one that was not. */
  readonly linked: string;
  readonly alone: string;
  readonly exchanged: Tokens;
}

export type Call = (node: TestApp, arranged: Arranged) => Promise<Reply>;

/** What ends sessions, whoever it is that calls. */
export const CALLS: Readonly<Record<string, Call>> = {
  'a logout': async (node, { linked, alone }) => {
    const first = await bySession(node, linked, { method: 'POST', url: '/api/logout' });
    const second = await bySession(node, alone, { method: 'POST', url: '/api/logout' });
    return first.statusCode === 204 ? second : first;
  },
  ...Object.fromEntries(
    ['a revocation by an admin', 'disabling the user', 'a password change'].map((name) => [
      name,
      REVOCATIONS[name]!,
    ]),
  ),
};

async function arrange(node: TestApp): Promise<Arranged> {
  const user = await aUser(node);
  const sess = JSON.stringify({ cookie: { originalMaxAge: 3_600_000 }, userId: user.id });
  const linked = await storeSession(node, sess);
  const alone = await storeSession(node, sess);
  const exchanged = tokensOf(await exchange(node, linked));
  for (const cookie of [linked, alone]) expect(await verifySession(node, cookie)).toBe('204');
  return { user, tokens: await login(node, user), linked, alone, exchanged };
}

async function refused(node: TestApp, cookies: readonly string[], exchanged: Tokens): Promise<void> {
  for (const cookie of cookies) expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  expect(await verify(node, exchanged.access_token)).toBe('401 token_revoked');
  expect(statusOf(await tryRefresh(node, exchanged.refresh_token))).toBe('401 refresh_token_revoked');
}

const liveRows = (node: TestApp, cookies: readonly string[]) =>
  sql(node, `SELECT sid FROM session WHERE sid = ANY ($1) AND expire > now()`, [cookies.map(sidIn)]);

/** As a request of the product would that was under way. */
async function writeAgain(node: TestApp, { user, linked, alone }: Arranged): Promise<void> {
  await sql(node, `DELETE FROM session`);
  for (const cookie of [linked, alone])
    await sql(node, `INSERT INTO session VALUES ($1, $2, now() + interval '1 hour')`, [
      sidIn(cookie),
      JSON.stringify({ cookie: {}, userId: user.id }),
    ]);
}

/** Ends a session that was exchanged and one that was not while the table is changed so, and looks whether they have. */
export async function endsBoth(node: TestApp, call: Call, change?: Change): Promise<void> {
  const arranged = await arrange(node);
  const { linked, alone, exchanged } = arranged;
  if (change) await sql(node, change.apply);
  try {
    const reply = await call(node, arranged);
    expect([reply.statusCode, reply.body]).toEqual([expect.toSatisfy((status) => status < 300), reply.body]);
    await refused(node, [linked, alone], exchanged);
    if (change?.writesNothing !== true) expect(await liveRows(node, [linked, alone])).toEqual([]);
  } finally {
    if (change) await sql(node, change.undo);
  }
  await writeAgain(node, arranged);
  await refused(node, [linked, alone], exchanged);
}
