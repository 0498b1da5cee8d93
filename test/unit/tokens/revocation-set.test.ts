import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VerifiedToken } from '../../../src/tokens/access/access-token.js';
import { RevocationList } from '../../../src/tokens/feed/revocation-list.js';

const token = (sub: string, sid: string, epoch: number) => ({ claims: { sub, sid }, epoch }) as VerifiedToken;
const sid = (subject: string, expires = 100) => ({ kind: 'sid', subject, epoch: null, expires }) as const;
const user = (subject: string, epoch: number | null, expires = 100) =>
  ({ kind: 'user', subject, epoch, expires }) as const;

describe('RevocationSet', () => {
  it('refuses nothing while it is empty', () => {
    expect(new RevocationList().isRevoked(token('u', 's', 0))).toBe(false);
  });

  it('refuses every token of a login that ended, and no other login', () => {
    const set = new RevocationList();
    set.add(sid('s'));
    expect(set.isRevoked(token('u', 's', 9))).toBe(true);
    expect(set.isRevoked(token('u', 't', 0))).toBe(false);
  });

  it("refuses a user's tokens of before the epoch, and no other user's", () => {
    const set = new RevocationList();
    set.add(user('u', 3));
    expect(set.isRevoked(token('u', 's', 2))).toBe(true);
    expect(set.isRevoked(token('u', 's', 3))).toBe(false);
    expect(set.isRevoked(token('v', 's', 0))).toBe(false);
  });

  it('lets the latest of several cut-offs count, in whatever order and however often they arrive', () => {
    const entries = fc.array(
      fc.record({ epoch: fc.integer({ min: 1, max: 9 }), expires: fc.integer({ min: 1, max: 99 }) }),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(entries, (all) => {
        const set = new RevocationList();
        for (const { epoch, expires } of [...all, ...all.toReversed()]) set.add(user('u', epoch, expires));
        const highest = Math.max(...all.map(({ epoch }) => epoch));
        const last = Math.max(...all.map(({ expires }) => expires));
        expect(set.size).toBe(1);
        expect(set.isRevoked(token('u', 's', highest - 1))).toBe(true);
        expect(set.isRevoked(token('u', 's', highest))).toBe(false);
        set.prune(last - 1);
        expect(set.isRevoked(token('u', 's', highest - 1))).toBe(true);
      }),
    );
  });

  it('opens nothing again when a weaker cut-off comes later', () => {
    const set = new RevocationList();
    set.add(user('u', 5, 200));
    set.add(user('u', 2, 100));
    set.add(user('u', null, 50));
    set.add(sid('s', 200));
    set.add(sid('s', 100));
    set.prune(150);
    expect(set.isRevoked(token('u', 't', 4))).toBe(true);
    expect(set.isRevoked(token('v', 's', 9))).toBe(true);
  });

  it('forgets an entry at its expiry and no sooner', () => {
    const set = new RevocationList();
    set.add(sid('s', 100));
    set.add(user('u', 1, 101));
    set.prune(99);
    expect(set.size).toBe(2);
    set.prune(100);
    expect(set.size).toBe(1);
    expect(set.isRevoked(token('u', 't', 0))).toBe(true);
    set.prune(101);
    expect(set.size).toBe(0);
  });
});
