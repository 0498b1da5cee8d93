import { afterAll, beforeAll, describe, it } from 'vitest';
import { noRedis } from '../../helpers/transition/redis-server.js';
import { RedisWalk } from './redis-walk.js';

describe.skipIf(noRedis !== undefined)('40 users whose sessions are in Redis, on two nodes', () => {
  let walk: RedisWalk;
  beforeAll(async () => {
    walk = await RedisWalk.begin(40);
  });
  afterAll(() => walk?.end());

  it('move to tokens and back with drain through a failover of Redis, and nobody is signed out', async () => {
    await walk.run();
  }, 120_000);
});
