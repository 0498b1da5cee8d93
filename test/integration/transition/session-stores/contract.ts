import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../../src/audit/audit-context.js';
import type { OpenedFamily } from '../../../../src/tokens/families/refresh-token.service.js';
import type { TestDatabase } from '../../../helpers/database.js';
import { downgrade, exchange, someUsers } from '../session-node.js';
import type { SessionNode } from '../session-node.js';

/** The product's side of a store. */
export interface ProductSessions {
  /** Writes a session, also one that was deleted. `life` in milliseconds. */
  write(sid: string, session: object, life: number): Promise<void>;
  end(sid: string): Promise<void>;
  /** Milliseconds; undefined if there is no such session. */
  lifeOf(sid: string): Promise<number | undefined>;
}

export interface StartedStore {
  readonly db: TestDatabase;
  /** Two nodes on one database and one store. */
  readonly nodes: readonly [SessionNode, SessionNode];
  readonly product: ProductSessions;
  stop(): Promise<void>;
}

const HOUR = 3_600_000;

/** Rounds of each race. */
const ROUNDS = 12;

const REVOKE = { reason: 'revoke', event: 'revoke' } as const;

/** What every store of sessions promises. `reason`: why it cannot be started here. */
export function sessionStoreContract(
  name: string,
  start: () => Promise<StartedStore>,
  reason?: string,
): void {
  describe.skipIf(reason !== undefined)(`sessions in ${name}`, () => {
    let started: StartedStore;
    let node: SessionNode;
    let other: SessionNode;
    let product: ProductSessions;
    beforeAll(async () => {
      started = await start();
      ({ product } = started);
      [node, other] = started.nodes;
      for (const each of started.nodes) await each.feed.start();
    });
    afterAll(() => started?.stop());

    const sessionOf = (user: string | number, maxAge: number | null = HOUR) => ({
      cookie: { originalMaxAge: maxAge, httpOnly: true, path: '/' },
      userId: user,
    });

    /** A user with a session of the product. */
    async function begun(life = HOUR) {
      const [id] = await someUsers(node.database, 1);
      const sid = `s-${randomUUID()}`;
      await product.write(sid, sessionOf(id!), life);
      return { id: id!, sid };
    }

    async function linked(life?: number) {
      const user = await begun(life);
      return { ...user, login: (await exchange(node, user)) as OpenedFamily };
    }

    const refresh = (at: SessionNode, { token }: OpenedFamily) => at.refreshes.present(token, NO_ORIGIN);
    const revokedAt = async (at: SessionNode, { family }: OpenedFamily) =>
      (await at.families.find(family.sid))!.revoked;
    const revokeUser = (id: string) => node.revocations.revokeUser(id, REVOKE, NO_ORIGIN);
    /** For good. Until a store knows that, it may answer 503. */
    const refused = (at: SessionNode, sid: string) =>
      expect.poll(() => at.store.live(sid).catch(() => '503')).toBeUndefined();
    /** One pass of the watcher over all linked sessions. */
    async function looked(at: SessionNode): Promise<void> {
      for (let polls = 0; polls < 4; polls += 1) await at.watcher.poll();
    }

    it('finds a session with its user, its expiry and its maximum age', async () => {
      const { id, sid } = await begun();
      const live = await node.store.live(sid);
      expect(live).toMatchObject({ sid, userId: id, familyId: null, endsAt: null, maxAge: HOUR });
      expect(Math.abs(live!.expiresAt - live!.now - HOUR)).toBeLessThan(30_000);
      expect(await other.store.live(sid)).toMatchObject({ sid, userId: id });
    });

    it('finds many sessions at once, each with its own user', async () => {
      const users = await Promise.all(Array.from({ length: 20 }, () => begun()));
      const found = await Promise.all(users.map(({ sid }) => node.store.live(sid)));
      expect(found.map((session) => session?.userId)).toEqual(users.map(({ id }) => id));
    });

    it('finds no session without a known user', async () => {
      for (const session of [{ cookie: {} }, sessionOf('nobody'), sessionOf(randomUUID()), [], 7, 'text']) {
        const sid = `s-${randomUUID()}`;
        await product.write(sid, session as object, HOUR);
        expect(await node.store.live(sid)).toBeUndefined();
      }
      expect(await node.store.live('unknown')).toBeUndefined();
    });

    it('names the user of a session whom Tandem does not know yet', async () => {
      const sid = `s-${randomUUID()}`;
      await product.write(sid, sessionOf('4711-new'), HOUR);
      expect(await node.store.userNamedBy(sid)).toBe('4711-new');
      expect(await node.store.userNamedBy('unknown')).toBeUndefined();
    });

    it('follows a change of the user', async () => {
      const { sid, login } = await linked();
      const [next] = await someUsers(node.database, 1);
      await product.write(sid, sessionOf(next!), HOUR);
      expect((await other.store.live(sid))?.userId).toBe(next);
      expect(await node.store.stateOf(login.family.sid)).toMatchObject({ lost: true });
    });

    it('refuses a session that the product ended, and its family at the next refresh', async () => {
      const { sid, login } = await linked();
      await product.end(sid);
      expect(await node.store.live(sid)).toBeUndefined();
      expect(await refresh(other, login)).toMatchObject({
        outcome: 'rejected',
        reason: 'refresh_token_revoked',
      });
      expect(await revokedAt(node, login)).toBe(true);
    });

    it('finds by looking that the product ended a linked session', async () => {
      const { sid, login } = await linked();
      await product.end(sid);
      await looked(other);
      expect(await revokedAt(node, login)).toBe(true);
    });

    it('lets the family continue when the session expires', async () => {
      const { sid, login } = await linked();
      await product.write(sid, sessionOf(login.family.userId), 1_000);
      expect(await node.store.live(sid)).toBeDefined();
      await expect.poll(() => product.lifeOf(sid)).toBeUndefined();
      await expect.poll(() => node.store.live(sid)).toBeUndefined();
      expect(await refresh(other, login)).toMatchObject({ outcome: 'rotated' });
    });

    it('extends a session, and never shortens or revives one', async () => {
      const { sid } = await begun(60_000);
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
      const { sid, login } = await linked();
      const life = login.family.expiresAt - login.family.now;
      expect(await product.lifeOf(sid)).toBeGreaterThan(life - 60_000);
      await product.write(sid, sessionOf(login.family.userId), HOUR);
      await looked(node);
      expect(await product.lifeOf(sid)).toBeGreaterThan(life - 60_000);
    });

    it('keeps refusing a session that was revoked here, whatever the product writes', async () => {
      const { id, sid } = await linked();
      await node.sessions.revoke({ sid, userId: id }, 'logout', NO_ORIGIN);
      expect(await product.lifeOf(sid)).toBeUndefined();
      for (const at of [node, other]) {
        await product.write(sid, sessionOf(id), HOUR);
        expect(await at.store.live(sid)).toBeUndefined();
        expect(await exchange(at, { id, sid })).toBe('session_invalid');
      }
      await product.write(sid, sessionOf(id), HOUR);
      await node.store.removeRevived(60, 100);
      expect(await product.lifeOf(sid)).toBeUndefined();
    });

    it('revokes all sessions of a user, seen or unseen, and accepts a later one', async () => {
      const { id, sid } = await begun();
      const unseen = `s-${randomUUID()}`;
      await product.write(unseen, sessionOf(id.toUpperCase()), HOUR);
      expect(await node.store.live(sid)).toBeDefined();
      await revokeUser(id);
      for (const at of [node, other]) for (const each of [sid, unseen]) await refused(at, each);
      await product.write(unseen, sessionOf(id), HOUR);
      expect(await other.store.live(unseen)).toBeUndefined();
      const later = `s-${randomUUID()}`;
      await product.write(later, sessionOf(id), HOUR);
      expect(await other.store.live(later)).toMatchObject({ userId: id });
    });

    it('keeps the session of the caller when all others are revoked', async () => {
      const { id, sid } = await linked();
      const unseen = `s-${randomUUID()}`;
      await product.write(unseen, sessionOf(id), HOUR);
      const options = { reason: 'password', event: 'user', exceptSession: sid } as const;
      await node.revocations.revokeUser(id, options, NO_ORIGIN);
      expect(await other.store.live(sid)).toBeDefined();
      await refused(other, unseen);
    });

    it('lists the sessions of a user, without those that the product ended', async () => {
      const { id, sid } = await begun();
      const second = `s-${randomUUID()}`;
      await product.write(second, sessionOf(id), HOUR);
      for (const each of [sid, second]) await node.store.live(each);
      expect((await node.store.ofUser(id)).map((session) => session.sid).toSorted()).toEqual(
        [sid, second].toSorted(),
      );
      await product.end(second);
      expect((await node.store.ofUser(id)).map((session) => session.sid)).toEqual([sid]);
    });

    it('opens sessions that the product finds, by login and by downgrade', async () => {
      const { login } = await linked();
      const given = await downgrade(node, login.token);
      if (given.outcome !== 'given') throw new Error(given.code);
      expect(await product.lifeOf(given.session.sid)).toBeGreaterThan(0);
      expect(await other.store.live(given.session.sid)).toMatchObject({ userId: login.family.userId });
      const [id] = await someUsers(node.database, 1);
      const prepared = node.opening.prepare({ id: id!, externalId: null }, 3_600);
      expect(await node.store.create(prepared, 0, NO_ORIGIN)).toBe(true);
      expect(await product.lifeOf(prepared.sid)).toBeGreaterThan(HOUR / 2);
      expect(await other.store.live(prepared.sid)).toMatchObject({ userId: id });
      const late = node.opening.prepare({ id: id!, externalId: null }, 3_600);
      expect(await node.store.create(late, 7, NO_ORIGIN)).toBe(false);
      expect(await product.lifeOf(late.sid)).toBeUndefined();
    });

    it.each([
      ['exchange', 'the end of the session by the product'],
      ['the first use of a session', 'a revocation of its user'],
      ['exchange', 'a revocation of its user'],
    ])('leaves nothing live after a race of %s against %s', async (first, second) => {
      const rounds = Array.from({ length: ROUNDS }, async (_, index) => {
        const user = await begun();
        const at = index % 2 === 0 ? node : other;
        const using: Promise<unknown> = first === 'exchange' ? exchange(at, user) : at.store.live(user.sid);
        const ending = second.startsWith('the end') ? product.end(user.sid) : revokeUser(user.id);
        // A store may answer 503 until it knows whether a session began before.
        await Promise.all([using.catch(() => undefined), ending]);
        return user;
      });
      const users = await Promise.all(rounds);
      await looked(node);
      for (const { id, sid } of users) {
        await refused(other, sid);
        const live = `SELECT 1 FROM refresh_tokens WHERE user_id = $1 AND revoked_at IS NULL`;
        expect(await node.database.query(live, [id])).toEqual([]);
      }
    });
  });
}
