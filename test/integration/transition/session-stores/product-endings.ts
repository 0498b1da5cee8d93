import { expect, it } from 'vitest';
import type { Limits, StoreUnderTest } from './store-under-test.js';

/** Notices what the product does with its sessions. */
export function followsTheProduct(under: () => StoreUnderTest, { opaque }: Limits): void {
  const REVOKED = { outcome: 'rejected', reason: 'refresh_token_revoked' };

  it('follows a change of the user', async () => {
    const store = under();
    const { sid, login } = await store.linked();
    const next = await store.person();
    await store.product.write(sid, store.content(next.name), 3_600_000);
    expect((await store.use(store.other, sid))?.userId).toBe(next.id);
    expect(await store.node.store.stateOf(login.family.sid)).toMatchObject({ lost: true });
  });

  it('refuses a session that the product ended, and its family at the next refresh', async () => {
    const store = under();
    const { sid, login } = await store.linked();
    await store.product.end(sid);
    expect(await store.use(store.node, sid)).toBeUndefined();
    expect(await store.refresh(store.other, login)).toMatchObject(REVOKED);
    expect(await store.isRevoked(login)).toBe(true);
  });

  if (opaque) {
    it('finds by a refresh only that the product ended a linked session', async () => {
      const store = under();
      const { sid, login } = await store.linked();
      await store.product.end(sid);
      await store.look(store.other);
      expect(await store.isRevoked(login)).toBe(false);
      expect(await store.refresh(store.other, login)).toMatchObject(REVOKED);
    });
  } else {
    it('finds by looking that the product ended a linked session', async () => {
      const store = under();
      const { sid, login } = await store.linked();
      await store.product.end(sid);
      await store.look(store.other);
      expect(await store.isRevoked(login)).toBe(true);
    });
  }

  it('lets the family continue when the session expires', async () => {
    const store = under();
    const { sid, name, login } = await store.linked();
    await store.product.write(sid, store.content(name), 2_000);
    expect(await store.use(store.node, sid)).toBeDefined();
    await expect.poll(() => store.product.lifeOf(sid)).toBeUndefined();
    await expect.poll(() => store.use(store.node, sid)).toBeUndefined();
    expect(await store.refresh(store.other, login)).toMatchObject({ outcome: 'rotated' });
  });
}
