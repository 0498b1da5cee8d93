import { describe, expect, it } from 'vitest';
import { walkByCallback } from '../../e2e/transition/callback-walk.js';

const USERS = 1_000;

describe('a rollout of 1,000 users for a product with a callback', () => {
  it(
    'logs nobody out from 0 to 100 per cent and back to 0 with drain, on two nodes',
    { timeout: 900_000 },
    async () => {
      const { requests, ...counts } = await walkByCallback(USERS);
      expect(counts).toEqual({ exchanged: USERS, downgraded: USERS, unexpectedLogouts: 0 });
      expect(requests).toBeGreaterThan(USERS * 14);
    },
  );
});
