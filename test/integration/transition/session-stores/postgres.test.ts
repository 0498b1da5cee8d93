import { createTestDatabase } from '../../../helpers/database.js';
import { aSessionNode } from '../session-node.js';
import { sessionStoreContract } from './contract.js';
import { SESSIONS_OF_EXPRESS, tableSessions } from './table-sessions.js';

sessionStoreContract('PostgreSQL', async () => {
  const db = await createTestDatabase();
  const nodes = [await aSessionNode(db.url), await aSessionNode(db.url)] as const;
  return {
    db,
    nodes,
    product: tableSessions(db.database, SESSIONS_OF_EXPRESS),
    async stop() {
      for (const node of nodes) await node.stop();
      await db.drop();
    },
  };
});
