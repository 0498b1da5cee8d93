import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { TokenFamily } from '../../../src/tokens/families/token-family.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { refusedWithinASecond } from '../../helpers/within-a-second.js';
import { aFamily, aNode, aUser, aNewFamily, tokenOf, untilWaiting } from './token-node.js';
import type { TokenNode } from './token-node.js';

const REVOKE = { reason: 'revoke', event: 'revoke' } as const;

describe('the change feed between nodes', () => {
  let db: TestDatabase;
  let one: TokenNode;
  let two: TokenNode;
  const started: TokenNode[] = [];

  async function another(): Promise<TokenNode> {
    const node = await aNode(db.url);
    started.push(node);
    await node.feed.start();
    return node;
  }

  beforeEach(async () => {
    db = await createTestDatabase();
    one = await another();
    await one.revocationStore.raiseTokenExpiry(905);
    two = await another();
  });
  afterEach(async () => {
    for (const node of started.splice(0)) await node.stop();
    await db.drop();
  });

  const refuses = (node: TokenNode, login: TokenFamily) =>
    node.feed.isFresh() && node.revoked.isRevoked(tokenOf(login));
  const refusedBy = (node: TokenNode, login: TokenFamily) =>
    refusedWithinASecond({
      refuses: () => refuses(node, login),
      accepts: () => node.feed.isFresh() && !node.revoked.isRevoked(tokenOf(login)),
    });
  const logout = ({ sid }: TokenFamily) =>
    one.revocations.revokeFamilies([sid], 'logout', 'logout', NO_ORIGIN);

  it('refuses a revoked family at once on its node and within a second on others, and no other family', async () => {
    const user = await aUser(db.database);
    const [ended, other] = [await aFamily(one, user), await aFamily(one, user)];
    expect(await logout(ended)).toBe(1);
    expect(refuses(one, ended)).toBe(true);
    await refusedBy(two, ended);
    expect(refuses(two, other)).toBe(false);
    expect(await logout(ended)).toBe(0);
    const audited = await db.database.query(
      `SELECT 1 FROM audit_events WHERE sid = $1 AND event = 'logout'`,
      [ended.sid],
    );
    expect(audited).toHaveLength(1);
  });

  it('knows of a revocation on another node when it has answered a repeated revocation', async () => {
    const deaf = await aNode(db.url);
    started.push(deaf);
    const user = await aUser(db.database);
    const ended = await aFamily(one, user);
    await logout(ended);
    expect(deaf.revoked.isRevoked(tokenOf(ended))).toBe(false);
    expect(await deaf.revocations.revokeFamilies([ended.sid], 'logout', 'logout', NO_ORIGIN)).toBe(0);
    expect(refuses(deaf, ended)).toBe(true);
    const [other, mine] = [await aFamily(one, user), await aFamily(one, user)];
    await logout(other);
    const password = { reason: 'password', event: 'user', exceptSid: mine.sid } as const;
    expect(await deaf.revocations.revokeUser(user, password, NO_ORIGIN)).toBe(0);
    expect([refuses(deaf, other), refuses(deaf, mine)]).toEqual([true, false]);
  });

  it('polls outside the request that has asked for a poll, also when a hint arrives later', async () => {
    const request = new AsyncLocalStorage<string>();
    const deaf = await aNode(db.url);
    started.push(deaf);
    const polledIn: (string | undefined)[] = [];
    deaf.feed.follow({
      polled: () => polledIn.push(request.getStore()),
      restarted: () => undefined,
      read: () => undefined,
    });
    await request.run('a request', () => deaf.feed.catchUp());
    const before = polledIn.length;
    await db.database.query(`SELECT pg_notify('tandem', '')`);
    await expect.poll(() => polledIn.length, { timeout: 30_000 }).toBeGreaterThan(before);
    expect(before).toBeGreaterThan(0);
    expect(polledIn.filter((store) => store !== undefined)).toEqual([]);
  });

  it('does not count an expired family as revoked, but refuses its tokens', async () => {
    const user = await aUser(db.database);
    const [stale, live] = [await aFamily(one, user, { expiry: 0 }), await aFamily(one, user)];
    expect(await one.revocations.revokeUser(user, REVOKE, NO_ORIGIN)).toBe(1);
    expect([refuses(one, stale), refuses(one, live)]).toEqual([true, true]);
  });

  it('revokes all families of many users at once, with a family that is being created', async () => {
    const users = await Promise.all(Array.from({ length: 20 }, () => aUser(db.database)));
    const before = await Promise.all(users.map((user) => aFamily(one, user)));
    const [spared, late] = [await aFamily(one, await aUser(db.database)), users[3]!];
    const [ended, unwritten] = await one.revocations
      .transaction(async (endings) => {
        const gone = await endings.revokeUsers(users, 'revoke');
        const written = two.families.create(aNewFamily(late), 'password', NO_ORIGIN);
        await untilWaiting(db.database);
        return [gone, written] as const;
      })
      .then(async ([gone, written]) => [gone, await written] as const);
    expect(ended.map(({ sid }) => sid).toSorted()).toEqual(before.map(({ sid }) => sid).toSorted());
    expect(unwritten).toBeUndefined();
    expect(before.every((login) => refuses(one, login))).toBe(true);
    expect(refuses(one, spared)).toBe(false);
    for (const login of before) await refusedBy(two, login);
    const again = await aFamily(two, late, { epoch: 1 });
    expect([refuses(one, again), refuses(two, again)]).toEqual([false, false]);
  });

  it('refuses what a user had before the revocation, but not a later login in the same second or another user', async () => {
    const [user, bystander] = [await aUser(db.database), await aUser(db.database)];
    const [before, others] = [await aFamily(one, user), await aFamily(one, bystander)];
    expect(await one.revocations.revokeUser(user, REVOKE, NO_ORIGIN)).toBe(1);
    const after = await aFamily(one, user, { epoch: 1 });
    for (const node of [one, two]) {
      await refusedBy(node, before);
      expect(refuses(node, after)).toBe(false);
      expect(refuses(node, others)).toBe(false);
    }
    expect(await one.revocations.revokeUser(user, REVOKE, NO_ORIGIN)).toBe(1);
    expect(await one.revocations.revokeUser(user, REVOKE, NO_ORIGIN)).toBe(0);
    expect(refuses(one, after)).toBe(true);
  });

  it('spares the excepted family when a password is changed', async () => {
    const user = await aUser(db.database);
    const [mine, other] = [await aFamily(one, user), await aFamily(one, user)];
    await one.revocations.revokeUser(
      user,
      { reason: 'password', event: 'logout', exceptSid: mine.sid },
      NO_ORIGIN,
    );
    await refusedBy(two, other);
    for (const node of [one, two]) expect(refuses(node, mine)).toBe(false);
    expect((await one.families.find(mine.sid))?.revoked).toBe(false);
  });

  it('refuses access tokens after a change of role, and keeps the family', async () => {
    const user = await aUser(db.database);
    const login = await aFamily(one, user);
    await one.revocations.invalidateAccessTokens(user, async (sql) => {
      await sql.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user]);
    });
    await refusedBy(two, login);
    const found = (await two.families.find(login.sid))!;
    expect(found).toMatchObject({ revoked: false, role: 'admin', epoch: 1 });
    expect(refuses(two, found)).toBe(false);
  });

  it('revokes nothing if the work alongside the revocation fails', async () => {
    const user = await aUser(db.database);
    const login = await aFamily(one, user);
    const alongside = () => Promise.reject(new Error('no'));
    await expect(one.revocations.revokeUser(user, { ...REVOKE, alongside }, NO_ORIGIN)).rejects.toThrow('no');
    expect(refuses(one, login)).toBe(false);
    expect(await one.families.find(login.sid)).toMatchObject({ revoked: false, epoch: 0 });
  });

  it('revokes nothing for a user that does not exist', async () => {
    expect(await one.revocations.revokeUser('6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a01', REVOKE, NO_ORIGIN)).toBe(
      0,
    );
  });

  it('is complete on a node that starts with 60,000 revocations', async () => {
    const user = await aUser(db.database);
    const first = await aFamily(one, user);
    await logout(first);
    await db.database.query(
      `INSERT INTO revocations (xid, kind, subject, expires_at)
        SELECT pg_current_xact_id()::text::bigint, 'sid', gen_random_uuid(), now() + interval '900 s'
        FROM generate_series(1, 60000)`,
    );
    const last = await aFamily(one, user);
    await logout(last);
    const late = await another();
    expect(late.revoked.size).toBe(60_002);
    for (const login of [first, last]) await refusedBy(late, login);
    // And it keeps polling.
    const next = await aFamily(one, user);
    await logout(next);
    await refusedBy(late, next);
  });

  it('is complete on a node that starts after the revocations', async () => {
    const user = await aUser(db.database);
    const [ended, revoked] = [await aFamily(one, user), await aFamily(one, user)];
    await logout(ended);
    await one.revocations.revokeUser(user, REVOKE, NO_ORIGIN);
    const three = await another();
    expect(refuses(three, ended)).toBe(true);
    expect(refuses(three, revoked)).toBe(true);
  });

  it('misses no revocation of a long transaction that others overtook', async () => {
    const user = await aUser(db.database);
    const [early, later] = [await aFamily(one, user), await aFamily(one, user)];
    const stranger = await aUser(db.database);
    const alongside = async () => {
      await logout(later);
      await refusedBy(two, later);
    };
    const slow = await aFamily(one, stranger);
    await one.revocations.revokeUser(stranger, { ...REVOKE, alongside }, NO_ORIGIN);
    await refusedBy(two, slow);
    expect(refuses(two, early)).toBe(false);
  });

  it('opens another connection when its own is cut', async () => {
    const login = await aFamily(one, await aUser(db.database));
    await db.database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'tandem-feed' AND datname = current_database()`,
    );
    await logout(login);
    await refusedBy(two, login);
  });

  it('is stale and answers 503 when the database is away', async () => {
    await db.drop();
    await expect.poll(() => two.feed.isFresh()).toBe(false);
    await expect(two.feed.untilFresh()).rejects.toMatchObject({ status: 503, code: 'service_unavailable' });
  });

  it('learns of a revocation from a hint, without polling by itself', async () => {
    const silent = await aNode(db.url);
    started.push(silent);
    // Connects and listens, but does not start the polling loop.
    await silent.feed.untilFresh();
    const family = await aFamily(one, await aUser(db.database));
    await logout(family);
    await refusedBy(silent, family);
  });
});
