import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisWalk } from '../../faults/transition/redis-walk.js';
import { noRedis } from '../../helpers/transition/redis-server.js';

const USERS = 1_000;

describe.skipIf(noRedis !== undefined)('1,000 users whose sessions are in Redis, on two nodes', () => {
  let walk: RedisWalk;
  beforeAll(async () => {
    walk = await RedisWalk.begin(USERS);
  });
  afterAll(() => walk?.end());

  it('move to tokens and back with drain through a failover of Redis, and nobody is signed out', async () => {
    await walk.run();
    const { unexpected, ...figures } = walk.count;
    console.info({ ...figures, unexpected: unexpected.length });
    expect(figures.calls).toBeGreaterThanOrEqual(7 * USERS);
  }, 900_000);
});
