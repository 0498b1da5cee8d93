import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasNginx } from '../../../examples/legacy-product/nginx.mjs';
import { Walk } from '../../helpers/transition/legacy-product/walk.js';
import { walkThrough } from '../../helpers/transition/legacy-product/walk-through.js';

const NGINX = hasNginx();
if (!NGINX) console.warn('nginx is not installed: the long walk of the example product is skipped');

describe.runIf(NGINX)('the example product with many users and long phases', () => {
  let walk: Walk;
  beforeAll(async () => {
    walk = await Walk.begin();
  });
  afterAll(() => walk?.end());

  it('moves through every phase without an unexpected logout', { timeout: 1_800_000 }, async () => {
    await walkThrough(walk, { users: 150, sessions: 90, steps: 60 });
    const { unexpected, ...figures } = walk.tally;
    console.info({ ...figures, unexpected: unexpected.length });
    expect(walk.tally.calls).toBeGreaterThan(50_000);
  });
});
