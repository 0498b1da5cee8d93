import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../../src/audit/audit-context.js';
import { downgrade } from '../session-node.js';
import { HOUR } from './store-under-test.js';
import type { Limits, StoreUnderTest } from './store-under-test.js';

/** Numbers, because some products name users by nothing else. */
const STRANGERS = ['4711', '4712'] as const;

/** Finds, lists and opens sessions. */
export function findsSessions(under: () => StoreUnderTest, { opaque, withoutContent }: Limits): void {
  const maxAge = opaque ? null : withoutContent ? 0 : HOUR;

  it('finds a session with its user, its expiry and its maximum age', async () => {
    const store = under();
    const { id, sid } = await store.visitor();
    const live = await store.use(store.node, sid);
    expect(live).toMatchObject({ sid, userId: id, familyId: null, endsAt: null, maxAge });
    expect(Math.abs(live!.expiresAt - live!.now - HOUR)).toBeLessThan(30_000);
    expect(await store.use(store.other, sid)).toMatchObject({ sid, userId: id });
  });

  it('finds many sessions at once, each with its own user', async () => {
    const store = under();
    const users = await Promise.all(Array.from({ length: 20 }, () => store.visitor()));
    const found = await Promise.all(users.map(({ sid }) => store.use(store.node, sid)));
    expect(found.map((session) => session?.userId)).toEqual(users.map(({ id }) => id));
  });

  it('finds no session without a known user', async () => {
    const store = under();
    const odd = withoutContent ? [] : [{ cookie: {} }, store.content(randomUUID()), [], 7, 'text'];
    for (const session of [store.content(STRANGERS[1]), ...odd]) {
      const sid = store.product.newSid();
      await store.product.write(sid, session as object, HOUR);
      expect(await store.use(store.node, sid)).toBeUndefined();
    }
    expect(await store.node.store.live('unknown')).toBeUndefined();
  });

  it('names the user of a session whom Tandem does not know yet', async () => {
    const store = under();
    const sid = await store.session(STRANGERS[0]);
    expect(await store.use(store.node, sid)).toBeUndefined();
    expect(await store.node.store.userNamedBy(sid)).toBe(STRANGERS[0]);
    expect(await store.node.store.userNamedBy('unknown')).toBeUndefined();
  });

  it('opens a session that the product finds at a downgrade', async () => {
    const store = under();
    const { id, login } = await store.linked();
    const given = await downgrade(store.node, login.token);
    if (given.outcome !== 'given') throw new Error(given.code);
    expect(await store.product.lifeOf(given.session.sid)).toBeGreaterThan(0);
    expect(await store.use(store.other, given.session.sid)).toMatchObject({ userId: id });
  });

  const prepare = async (store: StoreUnderTest) => {
    const person = await store.person();
    return { ...person, session: store.node.opening.prepare(person, 3_600) };
  };

  if (opaque) {
    it('opens no session at a login, which stays with the product', async () => {
      const store = under();
      const { id, session } = await prepare(store);
      expect(await store.node.store.create(session, 0, NO_ORIGIN)).toBe(false);
      expect(await store.node.store.ofUser(id)).toEqual([]);
    });

    it('lists the sessions of a user that it has seen', async () => {
      const store = under();
      const { id, name, sid } = await store.visitor();
      await store.session(name);
      await store.use(store.node, sid);
      expect((await store.node.store.ofUser(id)).map((session) => session.sid)).toEqual([sid]);
    });
    return;
  }

  it('opens a session that the product finds at a login, unless the account has changed since', async () => {
    const store = under();
    const { id, session } = await prepare(store);
    expect(await store.node.store.create(session, 0, NO_ORIGIN)).toBe(true);
    expect(await store.product.lifeOf(session.sid)).toBeGreaterThan(HOUR / 2);
    expect(await store.use(store.other, session.sid)).toMatchObject({ userId: id });
    const late = await prepare(store);
    expect(await store.node.store.create(late.session, 7, NO_ORIGIN)).toBe(false);
    expect(await store.product.lifeOf(late.session.sid)).toBeUndefined();
  });

  it('lists the sessions of a user, without those that the product ended', async () => {
    const store = under();
    const { id, name, sid } = await store.visitor();
    const second = await store.session(name);
    for (const each of [sid, second]) await store.use(store.node, each);
    const listed = async () => (await store.node.store.ofUser(id)).map((session) => session.sid).toSorted();
    expect(await listed()).toEqual([sid, second].toSorted());
    await store.product.end(second);
    expect(await listed()).toEqual([sid]);
  });
}
