import { CallbackSessions } from '../../../../src/transition/sessions/callback/callback-sessions.js';
import { createTestDatabase } from '../../../helpers/database.js';
import { aSessionNode } from '../session-node.js';
import { sessionStoreContract } from './contract.js';
import { JumpingClock, ListedProduct } from './listed-product.js';

sessionStoreContract(
  'a product with a callback',
  async () => {
    const time = new JumpingClock();
    const product = await ListedProduct.start(time);
    const db = await createTestDatabase();
    const open = () => aSessionNode(db.url, { callback: product.settings, time });
    const nodes = [await open(), await open()] as const;
    return {
      db,
      nodes,
      product,
      async use({ remote, store }, sid) {
        if (!(remote instanceof CallbackSessions)) throw new Error('no session callback');
        const [found] = await remote.sidsOf([product.cookieOf(sid)]);
        return found === undefined ? undefined : store.live(found);
      },
      async stop() {
        for (const node of nodes) await node.stop();
        await product.stop();
        await db.drop();
      },
    };
  },
  { limits: { opaque: true } },
);
