import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BulkRevocationService } from '../../../src/admin/bulk-revocation.service.js';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { Clock } from '../../../src/common/clock.js';
import { FamilyListStore } from '../../../src/tokens/families/family-list.store.js';
import { FamilySweepStore } from '../../../src/tokens/families/family-sweep.store.js';
import { AccountStore } from '../../../src/users/account.store.js';
import { AdminRole } from '../../../src/users/admin-role.js';
import { tamper } from '../../helpers/audit-trail.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aFamily, aNode, aUser, aNewFamily, tokenOf, untilWaiting } from '../tokens/token-node.js';
import type { TokenNode } from '../tokens/token-node.js';

const FUTURE = new Date('2999-01-01T00:00:00Z');
/** Several batches. */
const FAMILIES = 5_000;

describe('a bulk revocation', () => {
  let db: TestDatabase;
  let node: TokenNode;
  let other: TokenNode;
  let bulk: BulkRevocationService;

  beforeAll(async () => {
    db = await createTestDatabase();
    node = await aNode(db.url);
    other = await aNode(db.url);
    await node.revocationStore.raiseTokenExpiry(905);
    await node.feed.start();
    await other.feed.start();
    const { database, revocations } = node;
    bulk = new BulkRevocationService(
      new AccountStore(database, new AdminRole('admin')),
      new FamilySweepStore(database),
      revocations,
      new AuditStore(database),
      new Clock(),
    );
  });
  afterAll(async () => {
    await node.stop();
    await other.stop();
    await db.drop();
  });

  const count = async (where: string) =>
    (await db.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${where}`))[0]!.n;

  /** A hundred users with a hundred logins each, from one address. */
  async function manyLogins(ip: string, role: 'user' | 'admin'): Promise<void> {
    await db.database.query(
      `WITH made AS (
        INSERT INTO users (id, username, username_key, role)
        SELECT gen_random_uuid(), '${ip} ' || n, '${ip} ' || n, '${role}' FROM generate_series(1, ${FAMILIES / 100}) AS n
        RETURNING id)
      INSERT INTO refresh_tokens (id, user_id, secret, mac_key, delivery, created_at, expires_at, absolute_expires_at, ip)
      SELECT gen_random_uuid(), id, '\\x00', 'k', 'body', now() - interval '1 hour', now() + interval '1 day',
        now() + interval '1 day', '${ip}' FROM made, generate_series(1, 100)`,
    );
  }

  it.each([
    ['an address', '192.0.2.1', { ip: '192.0.2.1' }, 'user'],
    ['a time', '192.0.2.2', { issuedBefore: new Date(Date.now() - 1_800_000) }, 'user'],
    ['a role', '192.0.2.3', { role: 'admin' }, 'admin'],
  ] as const)(
    'revokes thousands of families by %s while other users log in and refresh',
    async (_, ip, filter, role) => {
      await manyLogins(ip, role);
      const bystander = await aUser(db.database);
      let refreshes = 0;
      let running = true;
      const others = (async () => {
        while (running) {
          const { sid } = await aFamily(other, bystander);
          await other.rotations.rotate({ sid, generation: 0 }, { macKey: 'k', expiry: 100 }, NO_ORIGIN);
          refreshes += 1;
        }
      })();
      const revoked = await bulk.revoke(filter, { origin: NO_ORIGIN });
      // Nobody waits until everything is revoked.
      expect(refreshes).toBeGreaterThan(1);
      running = false;
      await others;
      expect(revoked).toBe(FAMILIES);
      expect(await count(`refresh_tokens WHERE revoked_at IS NULL AND ip = '${ip}'`)).toBe(0);
      expect(await count(`refresh_tokens WHERE revoked_at IS NOT NULL AND ip IS NULL`)).toBe(0);
      expect(await count(`audit_events WHERE event = 'revoke' AND cause = 'revoke'`)).toBe(FAMILIES);
      const [{ detail } = { detail: null }] = await db.database.query<{ detail: unknown }>(
        `SELECT detail FROM audit_events WHERE cause = 'bulk'`,
      );
      expect(detail).toMatchObject({ revoked: FAMILIES, complete: true });
      await expect.poll(() => other.revoked.size).toBe(node.revoked.size);
      expect(await bulk.revoke(filter, { origin: NO_ORIGIN })).toBe(0);
      await tamper(db, 'TRUNCATE audit_events');
    },
  );

  it('waits for a login that is being written and revokes its family', async () => {
    const user = await aUser(db.database);
    const login = aNewFamily(user);
    let ending: Promise<number> = Promise.resolve(-1);
    await other.database.transaction(async (sql) => {
      await other.families.create(login, 'password', NO_ORIGIN, sql);
      ending = bulk.revoke({ issuedBefore: FUTURE, userIds: [user] }, { origin: NO_ORIGIN });
      await expect.poll(() => count(`pg_stat_activity WHERE query LIKE '%pg_locks%'`)).toBeGreaterThan(0);
    });
    expect(await ending).toBe(1);
    const written = await node.families.find(login.sid);
    expect(written?.revoked).toBe(true);
    expect(node.revoked.isRevoked(tokenOf(written!))).toBe(true);
  });

  it('answers 503 if a login in progress takes too long, and revokes all visible families', async () => {
    const user = await aUser(db.database);
    const [ended, late] = [await aFamily(node, user), aNewFamily(user)];
    await other.database.transaction(async (sql) => {
      await other.families.create(late, 'password', NO_ORIGIN, sql);
      const filter = { issuedBefore: FUTURE, userIds: [user] };
      await expect(bulk.revoke(filter, { origin: NO_ORIGIN })).rejects.toMatchObject({ status: 503 });
      expect((await node.families.find(ended.sid))?.revoked).toBe(true);
    });
    const [{ detail } = { detail: null }] = await db.database.query<{ detail: unknown }>(
      `SELECT detail FROM audit_events WHERE cause = 'bulk' ORDER BY id DESC LIMIT 1`,
    );
    expect(detail).toMatchObject({ revoked: 1, complete: false });
    expect(await bulk.revoke({ issuedBefore: FUTURE, userIds: [user] }, { origin: NO_ORIGIN })).toBe(1);
  });

  it('refuses a login in progress of a user whose families are revoked', async () => {
    const user = await aUser(db.database);
    const login = aNewFamily(user);
    let ending: Promise<number> = Promise.resolve(-1);
    await other.database.transaction(async (sql) => {
      await other.families.create(login, 'password', NO_ORIGIN, sql);
      ending = bulk.revoke({ userIds: [user] }, { origin: NO_ORIGIN });
      await untilWaiting(db.database);
    });
    expect(await ending).toBe(1);
    expect(await other.families.create(aNewFamily(user), 'password', NO_ORIGIN)).toBeUndefined();
  });

  it('ignores families that expired long ago and revokes those whose access tokens may be valid', async () => {
    const user = await aUser(db.database);
    const [old, lately] = [await aFamily(node, user), await aFamily(node, user)];
    await db.database.query(
      `UPDATE refresh_tokens SET expires_at = now() - CASE WHEN id = $1 THEN interval '1 day' ELSE interval '1 minute' END
        WHERE id IN ($1, $2)`,
      [old.sid, lately.sid],
    );
    expect(await bulk.revoke({ issuedBefore: FUTURE, userIds: [user] }, { origin: NO_ORIGIN })).toBe(0);
    expect((await node.families.find(old.sid))?.revoked).toBe(false);
    expect((await node.families.find(lately.sid))?.revoked).toBe(true);
  });

  it('keeps the pages of the family list complete', async () => {
    const list = new FamilyListStore(db.database);
    const seen = new Set<string>();
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await list.page({ ip: '192.0.2.2', state: 'ended' }, 100, cursor);
      for (const { id } of page.tokens) seen.add(id);
      cursor = page.next_cursor ?? undefined;
      pages += 1;
    } while (cursor !== undefined);
    expect(seen.size).toBe(FAMILIES);
    expect(pages).toBe(FAMILIES / 100);
  });

  it.each([
    ['an address', { ip: '192.0.2.9' }],
    ['users', { role: 'admin' }],
  ] as const)(
    'by %s revokes all of many batches, or none if there are more than expected',
    async (_, filter) => {
      await db.database.query(`UPDATE refresh_tokens SET revoked_at = now() WHERE revoked_at IS NULL`);
      await manyLogins('192.0.2.9', 'admin');
      const live = () => count(`refresh_tokens WHERE revoked_at IS NULL`);
      const revoke = (most: number) => bulk.revoke(filter, { origin: NO_ORIGIN, expectedCount: most });
      await expect(revoke(FAMILIES - 1)).rejects.toMatchObject({ code: 'more_than_expected' });
      expect(await live()).toBe(FAMILIES);
      expect(await revoke(FAMILIES)).toBe(FAMILIES);
      expect(await live()).toBe(0);
      await db.database.query(`DELETE FROM users WHERE username LIKE '192.0.2.9 %'`);
    },
  );
});
