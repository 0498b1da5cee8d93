import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import type { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';
import { RevocationList } from '../../../src/tokens/feed/revocation-list.js';

/** A list, and a function that prunes it at a time of the database. */
function aList() {
  let now = 0;
  const clock = { now: () => now };
  const list = new RevocationList(clock as DatabaseClock, new BackgroundLoops(false));
  const pruneAt = (time: number) => {
    now = time;
    list.prune();
  };
  return { list, pruneAt };
}

const token = (sub: string, sid: string, epoch: number) => ({ claims: { sub, sid }, epoch }) as VerifiedToken;
const sid = (subject: string, expires = 100) => ({ kind: 'sid', subject, epoch: null, expires }) as const;
const user = (subject: string, epoch: number | null, expires = 100) =>
  ({ kind: 'user', subject, epoch, expires }) as const;

describe('RevocationList', () => {
  it('revokes nothing while it is empty', () => {
    expect(aList().list.isRevoked(token('u', 's', 0))).toBe(false);
  });

  it('revokes every token of a revoked family, and of no other family', () => {
    const { list } = aList();
    list.add(sid('s'));
    expect(list.isRevoked(token('u', 's', 9))).toBe(true);
    expect(list.isRevoked(token('u', 't', 0))).toBe(false);
  });

  it("revokes a user's tokens with a lower epoch, and no other user's tokens", () => {
    const { list } = aList();
    list.add(user('u', 3));
    expect(list.isRevoked(token('u', 's', 2))).toBe(true);
    expect(list.isRevoked(token('u', 's', 3))).toBe(false);
    expect(list.isRevoked(token('v', 's', 0))).toBe(false);
  });

  it('applies the highest of several epochs, in any order and with repetitions', () => {
    const entries = fc.array(
      fc.record({ epoch: fc.integer({ min: 1, max: 9 }), expires: fc.integer({ min: 1, max: 99 }) }),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(entries, (all) => {
        const { list, pruneAt } = aList();
        for (const { epoch, expires } of [...all, ...all.toReversed()]) list.add(user('u', epoch, expires));
        const highest = Math.max(...all.map(({ epoch }) => epoch));
        const last = Math.max(...all.map(({ expires }) => expires));
        expect(list.size).toBe(1);
        expect(list.isRevoked(token('u', 's', highest - 1))).toBe(true);
        expect(list.isRevoked(token('u', 's', highest))).toBe(false);
        pruneAt(last - 1);
        expect(list.isRevoked(token('u', 's', highest - 1))).toBe(true);
      }),
    );
  });

  it('makes no token valid again when a lower epoch or an earlier expiry arrives later', () => {
    const { list, pruneAt } = aList();
    list.add(user('u', 5, 200));
    list.add(user('u', 2, 100));
    list.add(user('u', null, 50));
    list.add(sid('s', 200));
    list.add(sid('s', 100));
    pruneAt(150);
    expect(list.isRevoked(token('u', 't', 4))).toBe(true);
    expect(list.isRevoked(token('v', 's', 9))).toBe(true);
  });

  it('forgets an entry when it expires and no sooner', () => {
    const { list, pruneAt } = aList();
    list.add(sid('s', 100));
    list.add(user('u', 1, 101));
    pruneAt(99);
    expect(list.size).toBe(2);
    pruneAt(100);
    expect(list.size).toBe(1);
    expect(list.isRevoked(token('u', 't', 0))).toBe(true);
    pruneAt(101);
    expect(list.size).toBe(0);
  });
});
