import { afterEach, describe, expect, it } from 'vitest';
import { asProduct, createTestDatabase } from '../../helpers/database.js';
import { TestNodes, productionFaults } from '../../helpers/node-process.js';

/** sysexits.h: EX_CONFIG. */
const EX_CONFIG = 78;

const nodes = new TestNodes();
afterEach(() => nodes.remove());

describe('a node whose SESSION_TABLE is a view', () => {
  it('ends with one line that names SESSION_TABLE, and changes nothing in the database', async () => {
    const db = await createTestDatabase({
      migrated: false,
      product: `CREATE TABLE user_sessions (sid varchar, sess json, expire timestamp);
        CREATE VIEW live_sessions AS SELECT * FROM user_sessions WHERE expire > now()`,
    });
    try {
      const node = await nodes.spawn({
        databaseUrl: db.url,
        env: {
          NODE_ENV: 'production',
          JWT_SECRET: 'kX3vQ9mZr7Lw2TnB8yHc5PdJ6sFg4AeU',
          SESSION_SECRET: 'a session secret of the old product',
          SESSION_TABLE: 'live_sessions',
        },
      });
      expect(await node.exited).toBe(EX_CONFIG);
      expect(productionFaults(node)).toEqual([
        'SESSION_TABLE: public.live_sessions is a view: name the table that the view reads',
      ]);
      expect(await asProduct(db.url, `SELECT 1 FROM pg_namespace WHERE nspname = 'tandem'`)).toEqual([]);
    } finally {
      await nodes.remove();
      await db.drop();
    }
  });
});
