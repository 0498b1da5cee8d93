import { expect, it } from 'vitest';
import { HOUR } from './store-under-test.js';
import type { StoreUnderTest } from './store-under-test.js';

/** Extends sessions in the store. */
export function extendsSessions(under: () => StoreUnderTest): void {
  it('extends a session, and never shortens or revives one', async () => {
    const { store, node, product } = parts(under());
    const { sid } = await store.visitor(60_000);
    const { now } = (await node.store.live(sid))!;
    await node.store.extend([{ sid, until: new Date(now + 2 * HOUR) }]);
    expect(await product.lifeOf(sid)).toBeGreaterThan(1.9 * HOUR);
    await node.store.extend([{ sid, until: new Date(now + HOUR) }]);
    expect(await product.lifeOf(sid)).toBeGreaterThan(1.9 * HOUR);
    await product.end(sid);
    await node.store.extend([{ sid, until: new Date(now + 3 * HOUR) }]);
    expect(await node.store.touch(sid, now + 3 * HOUR, now + 3 * HOUR)).toBeUndefined();
    expect(await product.lifeOf(sid)).toBeUndefined();
  });

  it('lets an exchanged session live as long as its family', async () => {
    const { store, node, product } = parts(under());
    const { sid, name, login } = await store.linked();
    const life = login.family.expiresAt - login.family.now;
    expect(await product.lifeOf(sid)).toBeGreaterThan(life - 60_000);
    await product.write(sid, store.content(name), HOUR);
    await store.look(node);
    expect(await product.lifeOf(sid)).toBeGreaterThan(life - 60_000);
  });
}

/** Cannot extend sessions in the store, so the product decides when they end. */
export function leavesLifetimes(under: () => StoreUnderTest): void {
  it('leaves the expiry of a session to the product, also after a use and an exchange', async () => {
    const { store, node, product } = parts(under());
    const { sid, login } = await store.linked(60_000);
    const { now } = (await store.use(node, sid))!;
    await node.store.extend([{ sid, until: new Date(now + 2 * HOUR) }]);
    expect(await node.store.touch(sid, now + 2 * HOUR, now + 2 * HOUR)).toBeUndefined();
    await store.look(node);
    expect(await product.lifeOf(sid)).toBeLessThanOrEqual(60_000);
    expect(await store.refresh(node, login)).toMatchObject({ outcome: 'rotated' });
  });
}

function parts(store: StoreUnderTest) {
  return { store, node: store.node, product: store.product };
}
