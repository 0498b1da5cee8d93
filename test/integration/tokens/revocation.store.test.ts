import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sql } from '../../../src/database/database.js';
import type { RevocationEntry } from '../../../src/tokens/feed/revocation-list.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { NOTHING_SEEN, horizonOf } from '../../../src/tokens/feed/revocation.store.js';
import { aNode } from './token-node.js';
import type { TokenNode } from './token-node.js';

/** A transaction that stays open until the test commits it or rolls it back. */
function heldTransaction(node: TokenNode, work: (sql: Sql) => Promise<unknown>) {
  const ready = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const done = node.database.transaction(async (sql) => {
    await work(sql);
    ready.resolve();
    await end.promise;
  });
  return {
    ready: ready.promise,
    commit: async () => {
      end.resolve();
      await done;
    },
    rollBack: async () => {
      end.reject(new Error('given up'));
      await done.catch(() => undefined);
    },
  };
}

describe('RevocationStore', () => {
  let db: TestDatabase;
  let node: TokenNode;
  let client: pg.Client;

  beforeAll(async () => {
    db = await createTestDatabase();
    node = await aNode(db.url);
    client = new pg.Client({ connectionString: db.url });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await node.stop();
    await db.drop();
  });

  const readAfter = (snapshot: string) => node.revocationStore.read(client, snapshot);
  const revoke = (sid: string, sql: Sql = node.database) => node.revocationStore.addSids(sql, [sid]);
  const subjects = (entries: readonly RevocationEntry[]) => entries.map(({ subject }) => subject);

  it('reads everything from the beginning, then what is new, with the time of the database', async () => {
    const [a, b] = [randomUUID(), randomUUID()];
    await revoke(a);
    const first = await readAfter(NOTHING_SEEN);
    expect(subjects(first.entries)).toContain(a);
    expect(Math.abs(first.now - Date.now())).toBeLessThan(5_000);
    await node.revocationStore.addUsers(node.database, [{ id: b, epoch: 3 }]);
    const second = await readAfter(first.snapshot);
    expect(second.entries).toEqual([expect.objectContaining({ kind: 'user', subject: b, epoch: 3 })]);
    expect(horizonOf(second.snapshot)).toBeGreaterThanOrEqual(horizonOf(first.snapshot));
  });

  it('reads a row once, also while an older transaction of the server is still running', async () => {
    let older = '';
    const held = heldTransaction(node, async (sql) => {
      [{ older }] = (await sql.query('SELECT pg_current_xact_id()::text AS older')) as [{ older: string }];
    });
    await held.ready;
    const before = await readAfter(NOTHING_SEEN);
    const sid = randomUUID();
    await revoke(sid);
    const page = await readAfter(before.snapshot);
    expect(subjects(page.entries)).toEqual([sid]);
    const next = await readAfter(page.snapshot);
    expect(horizonOf(next.snapshot)).toBeLessThanOrEqual(BigInt(older));
    expect(next.entries).toEqual([]);
    await held.commit();
  });

  it('misses no row that commits after rows that were written later', async () => {
    let { snapshot } = await readAfter(NOTHING_SEEN);
    const seen = new Set<string>();
    const follow = async () => {
      const page = await readAfter(snapshot);
      snapshot = page.snapshot;
      for (const subject of subjects(page.entries)) seen.add(subject);
    };
    const [early, later, last] = [randomUUID(), randomUUID(), randomUUID()];
    const held = heldTransaction(node, (sql) => revoke(early, sql));
    await held.ready;
    await revoke(later);
    await follow();
    await revoke(last);
    await follow();
    expect([later, last, early].map((sid) => seen.has(sid))).toEqual([true, true, false]);
    await held.commit();
    await follow();
    expect(seen.has(early)).toBe(true);
  });

  it('misses no row of many transactions that commit in any order', async () => {
    let { snapshot } = await readAfter(NOTHING_SEEN);
    const seen = new Set<string>();
    const written = Array.from({ length: 40 }, () => randomUUID());
    const writing = written.map((sid, index) =>
      node.database.transaction(async (sql) => {
        await revoke(sid, sql);
        for (let wait = 0; wait < (index * 7) % 5; wait++) await sql.query('SELECT 1');
      }),
    );
    let done = false;
    const all = Promise.all(writing).finally(() => (done = true));
    do {
      const page = await readAfter(snapshot);
      snapshot = page.snapshot;
      for (const subject of subjects(page.entries)) seen.add(subject);
      if (done) break;
    } while (written.some((sid) => !seen.has(sid)));
    await all;
    for (const subject of subjects((await readAfter(snapshot)).entries)) seen.add(subject);
    expect(written.filter((sid) => !seen.has(sid))).toEqual([]);
  });

  it('reads no row that was rolled back', async () => {
    const { snapshot } = await readAfter(NOTHING_SEEN);
    const sid = randomUUID();
    const held = heldTransaction(node, (sql) => revoke(sid, sql));
    await held.ready;
    await held.rollBack();
    expect(subjects((await readAfter(snapshot)).entries)).not.toContain(sid);
  });

  it('keeps a revocation for the longest token lifetime of any node plus one minute', async () => {
    await node.revocationStore.raiseTokenExpiry(905);
    await node.revocationStore.raiseTokenExpiry(60);
    const [entry] = await revoke(randomUUID());
    const page = await readAfter(NOTHING_SEEN);
    expect((entry!.expires - page.now) / 1000).toBeCloseTo(965, -1);
    expect(page.entries.find(({ subject }) => subject === entry!.subject)?.expires).toBeCloseTo(
      entry!.expires,
      -1,
    );
  });

  it('removes expired rows and no others, in batches', async () => {
    const [gone, kept] = [Array.from({ length: 3 }, () => randomUUID()), randomUUID()];
    await node.revocationStore.addSids(node.database, [...gone, kept]);
    await db.database.query('UPDATE revocations SET expires_at = now() WHERE subject = ANY ($1::uuid[])', [
      gone,
    ]);
    const before = subjects((await readAfter(NOTHING_SEEN)).entries);
    expect(before).toContain(kept);
    expect(before).not.toContain(gone[0]);
    expect(await node.revocationStore.removeExpired(2)).toBe(2);
    expect(await node.revocationStore.removeExpired(2)).toBe(1);
    expect(await node.revocationStore.removeExpired(2)).toBe(0);
    expect(subjects((await readAfter(NOTHING_SEEN)).entries).toSorted()).toEqual(before.toSorted());
  });

  it('writes nothing for an empty list of families', async () => {
    expect(await node.revocationStore.addSids(node.database, [])).toEqual([]);
  });
});
