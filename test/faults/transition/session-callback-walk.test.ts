import { describe, expect, it } from 'vitest';
import { walkByCallback } from '../../e2e/transition/callback-walk.js';

describe('a rollout for a product with a callback', () => {
  it('logs nobody out from 0 to 100 per cent and back to 0 with drain, on two nodes', async () => {
    const { requests, ...counts } = await walkByCallback(12);
    expect(counts).toEqual({ exchanged: 12, downgraded: 12, unexpectedLogouts: 0 });
    expect(requests).toBeGreaterThan(12 * 14);
  });
});
