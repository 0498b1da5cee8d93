import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, post, refresh, sql, tokensOf, verify } from '../../helpers/client.js';
import { createTestDatabase } from '../../helpers/database.js';
import { CALLS, endsBoth } from './ended-sessions.js';
import {
  SECRET,
  bySession,
  sessionCookie,
  sessionLogin,
  sidIn,
  statusOf,
  verifySession,
} from './session-client.js';
import { exchange } from './session-nodes.js';

const table = (columns: string, more = '') => `CREATE TABLE session (${columns})${more}`;

/** Tables that were there before this service. */
const SHAPES: Readonly<Record<string, string>> = {
  'with sess as jsonb': table('sid varchar PRIMARY KEY, sess jsonb NOT NULL, expire timestamp(6) NOT NULL'),
  'with sess as text': table('sid text PRIMARY KEY, sess text NOT NULL, expire timestamp(6) NOT NULL'),
  'with expire as timestamptz': table(
    'sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamptz NOT NULL',
  ),
  'partitioned by sid': `
    ${table('sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL', ' PARTITION BY HASH (sid)')};
    CREATE TABLE session_0 PARTITION OF session FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE session_1 PARTITION OF session FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
  'partitioned by expire': `
    ${table('sid varchar NOT NULL, sess json NOT NULL, expire timestamp(6) NOT NULL', ' PARTITION BY RANGE (expire)')};
    CREATE TABLE session_live PARTITION OF session FOR VALUES FROM (now() + interval '10 minutes') TO (MAXVALUE);
    CREATE TABLE session_rest PARTITION OF session DEFAULT`,
  'without a key': table('sid varchar NOT NULL, sess json NOT NULL, expire timestamp(6) NOT NULL'),
};

/** Two rows may have the same id. */
const KEYLESS: readonly string[] = ['partitioned by expire', 'without a key'];

const TWICE = { apply: `INSERT INTO session SELECT * FROM session`, undo: 'SELECT 1' };

describe.each(Object.entries(SHAPES))('a table of sessions %s', (name, shape) => {
  let node: TestApp;
  let said: string[];
  beforeAll(async () => {
    const db = await createTestDatabase({ migrated: false, product: shape });
    const warn = vi.spyOn(Logger.prototype, 'warn');
    node = await createTestApp({ env: { SESSION_SECRET: SECRET }, db });
    said = warn.mock.calls
      .map(([message]) => String(message))
      .filter((text) => /table public\.session/.test(text));
    warn.mockRestore();
  });
  afterAll(async () => {
    await node.close();
    await node.db.drop();
  });

  it('makes a node warn at its start if needed', () => {
    const partitioned =
      /^the table public\.session is a partitioned table: no index can be made on the users of sessions/;
    expect(said).toEqual(name.startsWith('partitioned') ? [expect.stringMatching(partitioned)] : []);
  });

  it.each(Object.entries(CALLS))('has its sessions revoked by %s', (__, call) =>
    endsBoth(node, call, KEYLESS.includes(name) ? TWICE : undefined),
  );

  it('opens, extends, exchanges and downgrades sessions', async () => {
    const user = await aUser(node);
    const cookie = await sessionLogin(node, user);
    const exchanged = tokensOf(await exchange(node, cookie));
    // Where it is partitioned by that, the row goes to another partition and comes back.
    await sql(node, `UPDATE session SET expire = now() + interval '1 minute' WHERE sid = $1`, [
      sidIn(cookie),
    ]);
    const { access_token, refresh_token } = await refresh(node, exchanged.refresh_token);
    expect(await verifySession(node, cookie)).toBe('204');
    const extended = `SELECT sid FROM session WHERE sid = $1 AND expire > now() + interval '1 hour'`;
    expect(await sql(node, extended, [sidIn(cookie)])).toHaveLength(1);
    expect(await verify(node, access_token)).toBe('204');
    const down = await post(node, '/auth/downgrade', { refresh_token });
    expect(statusOf(down)).toBe('200');
    const session = sessionCookie(down)!;
    expect(await verifySession(node, session)).toBe('204');
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect((await bySession(node, session, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    expect(await verifySession(node, session)).toBe('401 session_invalid');
  });
});
