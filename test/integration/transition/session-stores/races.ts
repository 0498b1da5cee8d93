import { expect, it } from 'vitest';
import type { Limits, StoreUnderTest } from './store-under-test.js';

/** Rounds of each race. */
const ROUNDS = 12;

const LIVE_FAMILIES = `SELECT 1 FROM refresh_tokens WHERE user_id = $1 AND revoked_at IS NULL`;

/** Nothing is live after an end that another call raced against. */
export function survivesRaces(under: () => StoreUnderTest, { opaque }: Limits): void {
  it.each([
    ['exchange', 'the end of the session by the product'],
    ['the first use of a session', 'a revocation of its user'],
    ['exchange', 'a revocation of its user'],
  ])('leaves nothing live after a race of %s against %s', async (first, second) => {
    const store = under();
    const endsInProduct = second.startsWith('the end');
    const rounds = Array.from({ length: ROUNDS }, async (_, index) => {
      const visitor = await store.visitor();
      const at = store.nodes[index % 2]!;
      const using = first === 'exchange' ? store.exchange(at, visitor.sid) : store.use(at, visitor.sid);
      const ending = endsInProduct ? store.product.end(visitor.sid) : store.revokeUser(visitor.id);
      // A store may answer 503 until it knows whether a session began before.
      const [used] = await Promise.all([using.catch(() => undefined), ending]);
      return { ...visitor, used };
    });
    const visitors = await Promise.all(rounds);
    await store.look(store.node);
    for (const { id, sid, used } of visitors) {
      await store.refused(store.other, sid);
      // What the product ends without a report is found at the next refresh.
      if (opaque && typeof used === 'object' && 'token' in used) await store.refresh(store.other, used);
      expect(await store.node.database.query(LIVE_FAMILIES, [id])).toEqual([]);
    }
  });
}
