import { randomUUID } from 'node:crypto';
import { createTestDatabase } from '../../../helpers/database.js';
import { RedisServer, noRedis } from '../../../helpers/transition/redis-server.js';
import { aSessionNode } from '../session-node.js';
import { sessionStoreContract } from './contract.js';

const PREFIX = 'shop[1]:';

sessionStoreContract(
  'Redis',
  async () => {
    const redis = await RedisServer.start();
    const db = await createTestDatabase();
    const open = () => aSessionNode(db.url, { redis: { url: redis.url, prefix: PREFIX } });
    const nodes = [await open(), await open()] as const;
    return {
      db,
      nodes,
      product: {
        newSid: () => `s-${randomUUID()}`,
        write: async (sid, session, life) =>
          void (await redis.client.set(PREFIX + sid, JSON.stringify(session), {
            expiration: { type: 'PX', value: life },
          })),
        end: async (sid) => void (await redis.client.del(PREFIX + sid)),
        lifeOf: async (sid) => {
          const life = await redis.client.pTTL(PREFIX + sid);
          return life < 0 ? undefined : life;
        },
      },
      async stop() {
        for (const node of nodes) await node.stop();
        await redis.stop();
        await db.drop();
      },
    };
  },
  { reason: noRedis },
);
