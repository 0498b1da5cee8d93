import { hash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { Sql } from '../../../src/database/database.js';
import { termsOf } from '../../../src/limits/quota.js';
import type { OpenedFamily } from '../../../src/tokens/families/refresh-token.service.js';
import type { LiveSession } from '../../../src/transition/sessions/stores/session.store.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { untilWaiting } from '../tokens/token-node.js';
import { aSessionNode, exchange, usersWithSessions } from './session-node.js';
import type { SessionNode, SessionUser } from './session-node.js';

const EXCHANGE = { event: 'exchange', firstUnseen: true };

describe('an exchange that is counted by its own statement', () => {
  let db: TestDatabase;
  let node: SessionNode;
  let user: SessionUser;
  beforeAll(async () => {
    db = await createTestDatabase();
    node = await aSessionNode(db.url);
    await node.feed.start();
  });
  beforeEach(async () => {
    user = (await usersWithSessions(db.database, 1))[0]!;
  });
  afterAll(async () => {
    await node.stop();
    await db.drop();
  });

  const sessionOf = async ({ sid }: SessionUser) => (await node.store.live(sid))!;
  const keyOf = (sid: string) => hash('sha256', `exchange_session\0${sid}`, 'buffer').subarray(0, 16);
  /** The statement alone. */
  const send = (session: LiveSession, limit = 10, key = keyOf(session.sid)) =>
    node.exchanges['exchanges'].exchange(
      session,
      node.tokens.draft({ id: session.userId, epoch: session.epoch }, 'body', EXCHANGE),
      { ...termsOf({ limit, windowSeconds: 600 }), key },
      NO_ORIGIN,
    );
  /** What is stored about the session. */
  const stateOf = async ({ id, sid }: SessionUser) => {
    const [state] = await db.database.query<Record<string, number>>(
      `SELECT (SELECT count(*) FROM refresh_tokens WHERE user_id = $1)::int AS families,
         (SELECT count(*) FROM session_fates WHERE sid = $2 AND family_id IS NOT NULL)::int AS links,
         (SELECT count(*) FROM audit_events WHERE user_id = $1 AND event = 'exchange')::int AS events,
         (SELECT coalesce(sum(h), 0) FROM rate_limits, unnest(hits) h WHERE key = $3)::int AS calls,
         (SELECT count(*) FROM session WHERE sid = $2 AND expire > now() + interval '2 hours')::int AS extended`,
      [id, sid, keyOf(sid)],
    );
    return state;
  };
  const NOTHING = { families: 0, links: 0, events: 0, calls: 0, extended: 0 };
  const EVERYTHING = { families: 1, links: 1, events: 1, calls: 1, extended: 1 };

  /** Sends the statement, and makes `change` while it waits for the row of the user. */
  async function meanwhile(change: (sql: Sql) => Promise<unknown>) {
    const session = await sessionOf(user);
    let sent: ReturnType<typeof send> | undefined;
    await db.database.transaction(async (sql) => {
      await sql.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [user.id]);
      sent = send(session);
      await untilWaiting(db.database);
      await change(sql);
    });
    return sent!;
  }

  it('reads the session once and writes everything in one statement', async () => {
    const query = vi.spyOn(node.database, 'query');
    const transaction = vi.spyOn(node.database, 'transaction');
    const opened = await exchange(node, user);
    const statements = [query.mock.calls.length, transaction.mock.calls.length];
    query.mockRestore();
    transaction.mockRestore();
    expect(opened).toMatchObject({ family: { userId: user.id, generation: 0, unlinked: false } });
    expect(statements).toEqual([2, 0]);
    expect(await stateOf(user)).toEqual(EVERYTHING);
  });

  it('sends one statement for simultaneous calls, and all of them get one token', async () => {
    const session = await sessionOf(user);
    const statement = vi.spyOn(node.exchanges['exchanges'], 'exchange');
    const calls = Array.from({ length: 30 }, () => node.exchanges.exchange(session, 'body', NO_ORIGIN));
    const tokens = new Set((await Promise.all(calls)).map(({ token }) => token));
    const sent = statement.mock.calls.length;
    statement.mockRestore();
    expect(tokens.size).toBe(1);
    expect(sent).toBe(1);
    expect(await stateOf(user)).toEqual({ ...EVERYTHING, calls: 30 });
  });

  it('writes nothing for a call over the limit', async () => {
    const [other] = await usersWithSessions(db.database, 1);
    const key = keyOf(user.sid);
    const first = await send(await sessionOf(user), 1, key);
    expect(first).toMatchObject({ done: { family: { userId: user.id } }, full: { hits: [1] } });
    const second = await send(await sessionOf(other!), 1, key);
    expect(second).toMatchObject({ done: undefined, full: { hits: [1] } });
    expect(await stateOf(other!)).toEqual(NOTHING);
  });

  it.each([
    ['the epoch of the user rises', 'UPDATE users SET epoch = epoch + 1 WHERE id = $1'],
    ['the user is disabled', 'UPDATE users SET disabled_at = now() WHERE id = $1'],
    ['the row of the session is deleted', `DELETE FROM session WHERE sess ->> 'userId' = $1::text`],
    [
      'the row of the session expires',
      `UPDATE session SET expire = now() - interval '1 second' WHERE sess ->> 'userId' = $1::text`,
    ],
    [
      'the session gets another user',
      `UPDATE session SET sess = json_build_object('userId', gen_random_uuid()) WHERE sess ->> 'userId' = $1::text`,
    ],
  ])('writes and counts nothing if %s while it waits', async (_what, change) => {
    expect(await meanwhile((sql) => sql.query(change, [user.id]))).toBeUndefined();
    expect(await stateOf(user)).toEqual(NOTHING);
  });

  it('opens no family for a session that is revoked while it waits', async () => {
    const revoke = `INSERT INTO session_fates (sid, user_id, ended_at) VALUES ($1, $2, now())`;
    const sent = await meanwhile((sql) => sql.query(revoke, [user.sid, user.id]));
    expect(sent).toEqual({ done: { family: undefined }, full: undefined });
    expect(await stateOf(user)).toEqual({ ...NOTHING, calls: 1 });
    expect(await exchange(node, user)).toBe('session_invalid');
  });

  it('opens no second family for a session that is exchanged while it waits, and counts the call once', async () => {
    const session = await sessionOf(user);
    let late: Promise<OpenedFamily> | undefined;
    let first: OpenedFamily | undefined;
    await db.database.transaction(async (sql) => {
      await sql.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [user.id]);
      late = node.exchanges.exchange(session, 'body', NO_ORIGIN);
      await untilWaiting(db.database);
      const owner = { id: user.id, epoch: 0 };
      first = await node.tokens.openWithin(sql, owner, 'body', EXCHANGE, NO_ORIGIN);
      await node.links.link(sql, user.sid, user.id, first!.family.sid);
    });
    expect((await late)?.token).toBe(first!.token);
    expect(await stateOf(user)).toEqual({ ...EVERYTHING, extended: 0 });
  });

  it('exchanges a session that Tandem began, and keeps the proof of its origin', async () => {
    const macs = `INSERT INTO session_fates (sid, user_id, begun_macs) VALUES ($1, $2, '{"mac": "1"}')`;
    await db.database.query(macs, [user.sid, user.id]);
    expect(await send(await sessionOf(user))).toMatchObject({ done: { family: { userId: user.id } } });
    const [link] = await db.database.query('SELECT begun_macs FROM session_fates WHERE sid = $1', [user.sid]);
    expect(link).toEqual({ begun_macs: { mac: '1' } });
  });

  it('decides in a transaction if a trigger of the product makes the statement fail for the moment', async () => {
    await db.database.query('CREATE SEQUENCE turns');
    await db.database.query(`
      CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('turns') = 1 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF;
        RETURN NEW;
      END $$`);
    await db.database.query(
      'CREATE TRIGGER fails BEFORE UPDATE ON session FOR EACH ROW EXECUTE FUNCTION fail_first()',
    );
    try {
      expect(await exchange(node, user)).toMatchObject({ family: { userId: user.id } });
    } finally {
      await db.database.query('DROP TRIGGER fails ON session');
    }
    expect(await stateOf(user)).toEqual(EVERYTHING);
  });

  it('asks the rollout again if the role has changed since the session was read', async () => {
    const session = await sessionOf(user);
    await db.database.query(`UPDATE users SET role = 'editor', epoch = epoch + 1 WHERE id = $1`, [user.id]);
    const rollout = node.exchanges['rollout'];
    const isEligible = vi.spyOn(rollout, 'isEligible');
    isEligible.mockImplementation(({ role }) => Promise.resolve(role !== 'editor'));
    const exchanged = node.exchanges.exchange(session, 'body', NO_ORIGIN);
    await expect(exchanged).rejects.toMatchObject({ code: 'jwt_not_enabled' });
    isEligible.mockRestore();
    expect(await stateOf(user)).toEqual({ ...NOTHING, calls: 1 });
  });
});
