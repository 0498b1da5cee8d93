import { hash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { Rotation } from '../../../src/auth/refresh/refresh.service.js';
import { termsOf } from '../../../src/limits/quota.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aFamily, aNode, aUser, untilWaiting } from './token-node.js';
import type { TokenNode } from './token-node.js';

const LIMIT = 5;
const QUOTA = { authRateLimit: LIMIT, authRateWindow: 600 };
const NEXT = { macKey: 'next key', expiry: 1_000 };

describe('a refresh that is counted by its own statement', () => {
  let db: TestDatabase;
  let one: TokenNode;
  let two: TokenNode;
  let user: string;
  const nodes: TokenNode[] = [];

  async function aCountingNode(change = {}): Promise<TokenNode> {
    const node = await aNode(db.url, { ...QUOTA, ...change });
    nodes.push(node);
    return node;
  }

  beforeAll(async () => {
    db = await createTestDatabase();
    one = await aCountingNode();
    two = await aCountingNode();
    await one.feed.start();
  });
  beforeEach(async () => {
    user = await aUser(db.database);
  });
  afterAll(async () => {
    for (const node of nodes) await node.stop();
    await db.drop();
  });

  const open = async (node = one) => (await node.tokens.open({ id: user, epoch: 0 }, 'body', NO_ORIGIN))!;
  const present = (token: string, node = one) => node.refreshes.present(token, NO_ORIGIN);
  const tokenIn = (rotation: Rotation): string => {
    if (rotation.outcome !== 'rotated') throw new Error(`not rotated: ${JSON.stringify(rotation)}`);
    return rotation.token;
  };
  const statementsOf = async (node: TokenNode, work: () => Promise<unknown>): Promise<number> => {
    const query = vi.spyOn(node.database, 'query');
    const transaction = vi.spyOn(node.database, 'transaction');
    await work();
    const count = query.mock.calls.length + transaction.mock.calls.length;
    query.mockRestore();
    transaction.mockRestore();
    return count;
  };
  const counted = async () =>
    Number(
      (
        await db.database.query<{ n: string }>(
          `SELECT coalesce(sum(h), 0) AS n FROM rate_limits, unnest(hits) h`,
        )
      )[0]!.n,
    );
  const countedFor = async (sid: string) => {
    const key = hash('sha256', `refresh_family\0${sid}`, 'buffer').subarray(0, 16);
    const [row] = await db.database.query<{ hits: number[] }>('SELECT hits FROM rate_limits WHERE key = $1', [
      key,
    ]);
    return row?.hits;
  };
  const refreshes = async (sid: string) =>
    (await db.database.query(`SELECT 1 FROM audit_events WHERE event = 'refresh' AND sid = $1`, [sid]))
      .length;

  it('is one statement if the node knows the secret of the family, and two if it does not', async () => {
    let { token } = await open();
    for (let round = 0; round < 3; round++) {
      expect(await statementsOf(one, async () => (token = tokenIn(await present(token))))).toBe(1);
    }
    expect(await statementsOf(two, async () => (token = tokenIn(await present(token, two))))).toBe(2);
    expect(await statementsOf(two, async () => (token = tokenIn(await present(token, two))))).toBe(1);
  });

  it('admits exactly the limit to simultaneous calls on two nodes, and changes nothing for the others', async () => {
    const families = await Promise.all(
      Array.from({ length: 80 }, () => aFamily(one, user, { unlinked: true })),
    );
    const call = { ...termsOf({ limit: 10, windowSeconds: 600 }), key: randomBytes(16) };
    const results = await Promise.all(
      families.map(({ sid }, index) =>
        (index % 2 ? one : two).rotations.rotateCounted({ sid, generation: 0 }, NEXT, call, NO_ORIGIN),
      ),
    );
    expect(results.filter((result) => result?.done !== undefined)).toHaveLength(10);
    for (const [index, result] of results.entries()) {
      const { sid } = families[index]!;
      expect((await one.families.find(sid))?.generation).toBe(result?.done === undefined ? 0 : 1);
      expect(await refreshes(sid)).toBe(result?.done === undefined ? 0 : 1);
    }
    // All but nine results report that the limit is reached, and until when.
    const full = results.flatMap((result) => result?.full ?? []);
    expect(full).toHaveLength(71);
    for (const { hits } of full) expect(hits.reduce((sum, h) => sum + h, 0)).toBe(10);
  });

  it('counts once for simultaneous presentations of one token on two nodes, and not for a repeat', async () => {
    const { family, token } = await open();
    await two.tokens.verify(token);
    const all = await Promise.all(
      Array.from({ length: 30 }, (_, index) => present(token, index % 2 ? one : two)),
    );
    expect(all.filter(({ outcome }) => outcome === 'rotated')).toHaveLength(1);
    expect(all.filter(({ outcome }) => outcome === 'repeated')).toHaveLength(29);
    expect((await present(token)).outcome).toBe('repeated');
    expect(await countedFor(family.sid)).toEqual([1]);
    expect(await refreshes(family.sid)).toBe(1);
  });

  it('refuses a call over the limit without spending the token, from memory after the first time, and on every node', async () => {
    let { token } = await open();
    for (let call = 0; call < LIMIT; call++) token = tokenIn(await present(token, call % 2 ? one : two));
    const limited = { status: 429, code: 'rate_limited', headers: { 'RateLimit-Remaining': '0' } };
    await expect(present(token, two)).rejects.toMatchObject(limited);
    await expect(present(token, one)).rejects.toMatchObject(limited);
    const again = () => present(token, one).catch(() => undefined);
    expect(await statementsOf(one, again)).toBe(0);
    await db.database.query('DELETE FROM rate_limits');
    const later = await aCountingNode();
    expect((await present(token, later)).outcome).toBe('rotated');
  });

  it('waits for the lock of the row and then decides by the new state of the family', async () => {
    const [noted, ended] = [await open(), await open()];
    const before = await counted();
    let first: Promise<Rotation> | undefined;
    await db.database.transaction(async (sql) => {
      await sql.query('UPDATE refresh_tokens SET confirmed_generation = 0 WHERE id = $1', [noted.family.sid]);
      first = present(noted.token);
      await untilWaiting(db.database);
    });
    expect((await first)?.outcome).toBe('rotated');
    expect(await counted()).toBe(before + 1);
    await db.database.transaction(async (sql) => {
      await sql.query('UPDATE refresh_tokens SET revoked_at = now() WHERE id = $1', [ended.family.sid]);
      first = present(ended.token);
      await untilWaiting(db.database);
    });
    expect(await first).toEqual({ outcome: 'rejected', reason: 'refresh_token_revoked' });
    expect(await counted()).toBe(before + 1);
  });

  it('refuses a family that was revoked, expired or deleted since the node learned its secret, and counts nothing', async () => {
    const [ended, expired, gone] = [await open(), await open(), await open()];
    for (const { token } of [ended, expired, gone]) await two.tokens.verify(token);
    const before = await counted();
    await one.revocations.revokeFamilies([ended.family.sid], 'logout', 'logout', NO_ORIGIN);
    await db.database.query('UPDATE refresh_tokens SET expires_at = now() WHERE id = $1', [
      expired.family.sid,
    ]);
    await db.database.query('DELETE FROM refresh_tokens WHERE id = $1', [gone.family.sid]);
    for (const node of [one, two]) {
      const reason = async ({ token }: { token: string }) => {
        const rotation = await present(token, node);
        return rotation.outcome === 'rejected' ? rotation.reason : rotation.outcome;
      };
      expect(await reason(ended)).toBe('refresh_token_revoked');
      expect(await reason(expired)).toBe('refresh_token_expired');
      expect(await reason(gone)).toBe('refresh_token_invalid');
    }
    expect(await counted()).toBe(before);
  });

  it('detects a reuse if the node knows the secret, and revokes the family', async () => {
    const { family, token } = await open();
    const current = tokenIn(await present(tokenIn(await present(token))));
    expect(await present(token)).toEqual({ outcome: 'reused', sid: family.sid });
    expect(await present(current)).toEqual({ outcome: 'rejected', reason: 'refresh_token_revoked' });
  });

  it('rotates under a new JWT_SECRET only while the node knows the previous one', async () => {
    const { token } = await open();
    const jwtSecret = 'the secret of tomorrow';
    const renewed = await aCountingNode({ jwtSecret, jwtSecretPrevious: one.config.jwtSecret });
    const withoutPrevious = await aCountingNode({ jwtSecret });
    const second = tokenIn(await present(token, renewed));
    expect(await statementsOf(renewed, async () => tokenIn(await present(second, renewed)))).toBe(1);
    expect(await present(token, withoutPrevious)).toEqual({
      outcome: 'rejected',
      reason: 'refresh_token_invalid',
    });
    // The node learned this family's secret from a token of the new JWT_SECRET. Only that token is genuine here.
    const other = await open();
    const mine = tokenIn(await present(other.token, renewed));
    expect((await present(mine, withoutPrevious)).outcome).toBe('rotated');
    expect(await present(other.token, withoutPrevious)).toEqual({
      outcome: 'rejected',
      reason: 'refresh_token_invalid',
    });
  });

  it('does not count a family that may be linked in the statement, but before it', async () => {
    const opening = { event: 'exchange' };
    const opened = await one.tokens.openWithin(
      db.database,
      { id: user, epoch: 0 },
      'body',
      opening,
      NO_ORIGIN,
    );
    const { sid } = opened!.family;
    const call = { ...termsOf({ limit: 10, windowSeconds: 600 }), key: randomBytes(16) };
    const before = await counted();
    expect(await one.rotations.rotateCounted({ sid, generation: 0 }, NEXT, call, NO_ORIGIN)).toBeUndefined();
    expect(await counted()).toBe(before);
    const enforce = vi.spyOn(one.refreshes['limiter'], 'enforce');
    expect((await present(opened!.token)).outcome).toBe('rotated');
    expect(enforce.mock.calls).toEqual([['refresh_family', sid]]);
    expect(await counted()).toBe(before + 1);
    enforce.mockRestore();
  });
});
