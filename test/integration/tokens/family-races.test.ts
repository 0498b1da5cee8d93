import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aFamily, aNode, aUser, aNewFamily, tokenOf, untilWaiting } from './token-node.js';
import type { TokenNode } from './token-node.js';

const ROUNDS = 200;
const REVOKE = { reason: 'revoke', event: 'revoke' } as const;
const NEXT = { macKey: 'next key', expiry: 1_000 };

/** Which of two racers wins is random. Delaying them in turns makes both outcomes happen. */
const delayed = async <T>(late: boolean, work: () => Promise<T>): Promise<T> => {
  if (late) await new Promise((resolve) => setImmediate(resolve));
  return work();
};

describe('a token family whose revocation races with other calls', () => {
  let db: TestDatabase;
  let one: TokenNode;
  let two: TokenNode;

  beforeAll(async () => {
    db = await createTestDatabase();
    one = await aNode(db.url);
    two = await aNode(db.url);
    await one.feed.start();
  });
  afterAll(async () => {
    await one.stop();
    await two.stop();
    await db.drop();
  });

  const live = async (user: string) =>
    (
      await db.database.query('SELECT 1 FROM refresh_tokens WHERE user_id = $1 AND revoked_at IS NULL', [
        user,
      ])
    ).length;

  it('is revoked when a logout returns, whether the refresh or the logout came first', async () => {
    const user = await aUser(db.database);
    let rotated = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { sid } = await aFamily(one, user);
      const [next, ended] = await Promise.all([
        delayed(round % 3 === 0, () => two.rotations.rotate({ sid, generation: 0 }, NEXT, NO_ORIGIN)),
        delayed(round % 3 === 1, () => one.revocations.revokeFamilies([sid], 'logout', 'logout', NO_ORIGIN)),
      ]);
      expect(ended).toBe(1);
      if (next !== undefined) rotated += 1;
      expect((await one.families.find(sid))?.revoked).toBe(true);
      const current = { sid, generation: next?.generation ?? 0 };
      expect(await two.rotations.rotate(current, NEXT, NO_ORIGIN)).toBeUndefined();
      if (next !== undefined) expect(one.revoked.isRevoked(tokenOf(next))).toBe(true);
    }
    expect(await live(user)).toBe(0);
    expect(rotated).toBeGreaterThan(0);
    expect(rotated).toBeLessThan(ROUNDS);
  });

  it('is not live after a revocation of the user, whether the login or the revocation came first', async () => {
    let made = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const user = await aUser(db.database);
      const [login] = await Promise.all([
        delayed(round % 3 === 0, () => two.families.create(aNewFamily(user), 'password', NO_ORIGIN)),
        delayed(round % 3 === 1, () => one.revocations.revokeUser(user, REVOKE, NO_ORIGIN)),
      ]);
      if (login !== undefined) {
        made += 1;
        expect(one.revoked.isRevoked(tokenOf(login))).toBe(true);
      }
      expect(await live(user)).toBe(0);
    }
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThan(ROUNDS);
  });

  it('is revoked by a revocation of the user that starts while the family is being written', async () => {
    const user = await aUser(db.database);
    let ending: Promise<number> = Promise.resolve(-1);
    await two.database.transaction(async (sql) => {
      await two.families.create(aNewFamily(user), 'password', NO_ORIGIN, sql);
      ending = one.revocations.revokeUser(user, REVOKE, NO_ORIGIN);
      await untilWaiting(db.database);
    });
    expect(await ending).toBe(1);
    expect(await live(user)).toBe(0);
  });

  it('is not opened if a revocation of the user is being written when the login starts', async () => {
    const user = await aUser(db.database);
    let login: Promise<unknown> = Promise.resolve('not asked');
    const alongside = async () => {
      login = two.families.create(aNewFamily(user), 'password', NO_ORIGIN);
      await untilWaiting(db.database);
    };
    await one.revocations.revokeUser(user, { ...REVOKE, alongside }, NO_ORIGIN);
    expect(await login).toBeUndefined();
    expect(await live(user)).toBe(0);
  });

  it('causes no deadlock if many families are revoked in any order at once', async () => {
    const user = await aUser(db.database);
    const sids = (await Promise.all(Array.from({ length: 20 }, () => aFamily(one, user)))).map(
      ({ sid }) => sid,
    );
    const ended = await Promise.all([
      one.revocations.revokeFamilies(sids, 'revoke', 'revoke', NO_ORIGIN),
      two.revocations.revokeFamilies(sids.toReversed(), 'revoke', 'revoke', NO_ORIGIN),
      one.revocations.revokeUser(user, REVOKE, NO_ORIGIN),
      two.revocations.revokeFamilies(sids.toSorted(), 'revoke', 'revoke', NO_ORIGIN),
    ]);
    expect(ended.reduce((sum, count) => sum + count, 0)).toBe(20);
  });
});
