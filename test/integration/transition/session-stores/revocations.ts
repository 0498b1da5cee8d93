import { expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../../src/audit/audit-context.js';
import { HOUR } from './store-under-test.js';
import type { Limits, StoreUnderTest } from './store-under-test.js';

/** Ends sessions here, whatever the product does afterwards. */
export function revokesSessions(under: () => StoreUnderTest, { opaque }: Limits): void {
  it('keeps refusing a session that was revoked here, whatever the product writes', async () => {
    const store = under();
    const { node, product } = store;
    const { id, name, sid } = await store.linked();
    await node.sessions.revoke({ sid, userId: id }, 'logout', NO_ORIGIN);
    expect(await product.lifeOf(sid)).toBeUndefined();
    for (const at of store.nodes) {
      await product.write(sid, store.content(name), HOUR);
      expect(await store.use(at, sid)).toBeUndefined();
      expect(await store.exchange(at, sid)).toBe('session_invalid');
    }
    await product.write(sid, store.content(name), HOUR);
    await node.store.removeRevived(60, 100);
    // A product that has confirmed the end of a session is not told again before the session is used again.
    if (opaque) expect(await store.use(node, sid)).toBeUndefined();
    expect(await product.lifeOf(sid)).toBeUndefined();
  });

  it('revokes all sessions of a user, seen or unseen, and accepts a later one', async () => {
    const store = under();
    const { id, name, sid } = await store.visitor();
    const unseen = await store.session(name.toUpperCase());
    expect(await store.use(store.node, sid)).toBeDefined();
    await store.revokeUser(id);
    for (const at of store.nodes) for (const each of [sid, unseen]) await store.refused(at, each);
    await store.accepted(store.other, await store.session(name), id);
    for (const each of [sid, unseen]) await store.product.write(each, store.content(name), HOUR);
    expect(await store.use(store.other, sid)).toBeUndefined();
    // The product has said that it ended this session, and nobody else ever knew of it. So it is a new one.
    if (opaque) await store.accepted(store.other, unseen, id);
    else expect(await store.use(store.other, unseen)).toBeUndefined();
  });

  if (opaque) {
    it('ends the session of the caller with all others, and keeps its family', async () => {
      const store = under();
      const { id, name, sid, login } = await store.linked();
      const unseen = await store.session(name);
      await store.revokeUser(id, sid);
      for (const each of [sid, unseen]) await store.refused(store.other, each);
      const refreshed = () => store.refresh(store.other, login).catch(() => undefined);
      await expect.poll(refreshed).toMatchObject({ outcome: 'rotated' });
    });
  } else {
    it('keeps the session of the caller when all others are revoked', async () => {
      const store = under();
      const { id, name, sid } = await store.linked();
      const unseen = await store.session(name);
      await store.revokeUser(id, sid);
      expect(await store.use(store.other, sid)).toBeDefined();
      await store.refused(store.other, unseen);
    });
  }
}
