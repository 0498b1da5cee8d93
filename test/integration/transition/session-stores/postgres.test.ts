import { createTestDatabase } from '../../../helpers/database.js';
import { aSessionNode } from '../session-node.js';
import { sessionStoreContract } from './contract.js';

sessionStoreContract('PostgreSQL', async () => {
  const db = await createTestDatabase();
  const nodes = [await aSessionNode(db.url), await aSessionNode(db.url)] as const;
  const write = `
    INSERT INTO session (sid, sess, expire) VALUES ($1, $2, now() + make_interval(secs => $3::float8 / 1000))
    ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expire = excluded.expire`;
  const life = `
    SELECT (extract(epoch FROM expire::timestamptz - now()) * 1000)::float8 AS life FROM session
    WHERE sid = $1 AND expire > now()`;
  return {
    db,
    nodes,
    product: {
      write: async (sid, session, milliseconds) =>
        void (await db.database.query(write, [sid, JSON.stringify(session), milliseconds])),
      end: async (sid) => void (await db.database.query(`DELETE FROM session WHERE sid = $1`, [sid])),
      lifeOf: async (sid) => (await db.database.query<{ life: number }>(life, [sid]))[0]?.life,
    },
    async stop() {
      for (const node of nodes) await node.stop();
      await db.drop();
    },
  };
});
