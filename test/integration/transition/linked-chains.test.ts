import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { OpenedFamily } from '../../../src/tokens/families/refresh-token.service.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { tokenOf, untilWaiting } from '../tokens/token-node.js';
import { aSessionNode, downgrade, exchange, usersWithSessions } from './session-node.js';
import type { SessionNode } from './session-node.js';

describe('a family, the session it was downgraded to, and the family of that session', () => {
  let db: TestDatabase;
  let nodes: SessionNode[];
  beforeAll(async () => {
    db = await createTestDatabase();
    nodes = [await aSessionNode(db.url), await aSessionNode(db.url), await aSessionNode(db.url)];
    for (const { feed } of nodes) await feed.start();
  });
  afterAll(async () => {
    for (const node of nodes) await node.stop();
    await db.drop();
  });

  /** Holds back a method's call until it is let go; says when that has come so far. */
  function holdBack<T extends object>(owner: T, method: keyof T, call = 1) {
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const original = (owner[method] as (...args: unknown[]) => Promise<unknown>).bind(owner);
    let calls = 0;
    const spy = vi.spyOn(owner, method as never).mockImplementation((async (...args: unknown[]) => {
      calls += 1;
      if (calls === call) {
        reached.resolve();
        await gate.promise;
        spy.mockRestore();
      }
      return original(...args);
    }) as never);
    return { reached: reached.promise, letGo: gate.resolve };
  }

  it('are all revoked when both families are revoked at once and one waits for the other', async () => {
    const [one, two, three] = nodes as [SessionNode, SessionNode, SessionNode];
    const [user] = await usersWithSessions(db.database, 1);
    const first = (await exchange(one, user!)) as OpenedFamily;
    const given = await downgrade(one, first.token);
    if (given.outcome !== 'given') throw new Error(given.code);
    const { sid } = given.session;

    // The end of the first login waits for the session, which is just being exchanged.
    const linked = holdBack(three.store, 'hold');
    const exchanging = exchange(three, { id: user!.id, sid });
    await linked.reached;
    const found = holdBack(one.families, 'revokeFamilies', 2);
    const endingFirst = one.revocations.revokeFamilies([first.family.sid], 'revoke', 'revoke', NO_ORIGIN);
    await untilWaiting(db.database);
    linked.letGo();
    const second = (await exchanging) as OpenedFamily;

    // It holds the session now and comes to the second login, whose end holds that and comes to the session.
    await found.reached;
    const endingSecond = two.revocations.revokeFamilies([second.family.sid], 'logout', 'logout', NO_ORIGIN);
    await untilWaiting(db.database);
    found.letGo();
    await Promise.all([endingFirst, endingSecond]);

    expect(await one.store.live(sid)).toBeUndefined();
    for (const { revoked } of [one, two]) expect(revoked.isRevoked(tokenOf(second.family))).toBe(true);
    const events = await db.database.query<{ event: string }>(
      `SELECT event FROM audit_events WHERE sid = $1 ORDER BY id`,
      [second.family.sid],
    );
    expect(events).toHaveLength(2);
    expect(events[0]).toEqual({ event: 'exchange' });
  });
});
