import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { DeviceStore } from '../../../src/tokens/families/device.store.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aFamily, aNode, aUser, aNewFamily } from './token-node.js';
import type { TokenNode } from './token-node.js';

const ORIGIN = { ip: '192.0.2.1', userAgent: 'agent', requestId: 'request' };
const NEXT = { macKey: 'next key', expiry: 1_000 };

describe('RefreshTokenStore', () => {
  let db: TestDatabase;
  let node: TokenNode;
  let user: string;

  beforeAll(async () => {
    db = await createTestDatabase();
    node = await aNode(db.url);
  });
  afterAll(async () => {
    await node.stop();
    await db.drop();
  });

  const rotate = (sid: string, generation: number) =>
    node.rotations.rotate({ sid, generation }, NEXT, ORIGIN);
  const set = (sid: string, assignment: string) =>
    db.database.query(`UPDATE refresh_tokens SET ${assignment} WHERE id = $1`, [sid]);
  const eventsOf = async (sid: string) =>
    (
      await db.database.query<{ event: string }>(
        'SELECT event FROM audit_events WHERE sid = $1 ORDER BY id',
        [sid],
      )
    ).map(({ event }) => event);

  beforeAll(async () => {
    user = await aUser(db.database);
  });

  it('creates a family at generation 0 with one audit event', async () => {
    const login = aNewFamily(user, { expiry: 100, familyExpiry: 50 });
    const made = (await node.families.create(login, 'password', ORIGIN))!;
    expect(made).toMatchObject({
      sid: login.sid,
      userId: user,
      role: 'user',
      epoch: 0,
      generation: 0,
      revoked: false,
    });
    expect(made.secret.equals(login.secret)).toBe(true);
    expect((made.expiresAt - made.now) / 1000).toBeCloseTo(50, 0);
    expect(await node.families.find(login.sid)).toMatchObject({
      macKey: 'mac key',
      delivery: 'body',
      expired: false,
    });
    expect(await eventsOf(login.sid)).toEqual(['login']);
  });

  it('creates no family for an outdated epoch, a disabled user or an unknown user', async () => {
    const disabled = await aUser(db.database);
    await db.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [disabled]);
    for (const login of [aNewFamily(user, { epoch: 1 }), aNewFamily(disabled), aNewFamily(randomUUID())]) {
      expect(await node.families.create(login, 'password', ORIGIN)).toBeUndefined();
      expect(await node.families.find(login.sid)).toBeUndefined();
      expect(await eventsOf(login.sid)).toEqual([]);
    }
  });

  it('lets exactly one of 50 simultaneous rotations succeed, with one audit event', async () => {
    const other = await aNode(db.url);
    for (let round = 0; round < 20; round++) {
      const { sid } = await aFamily(node, user);
      const attempts = Array.from({ length: 50 }, (_, i) =>
        (i % 2 ? node : other).rotations.rotate({ sid, generation: 0 }, NEXT, ORIGIN),
      );
      const won = (await Promise.all(attempts)).filter((login) => login !== undefined);
      expect(won).toHaveLength(1);
      expect(won[0]).toMatchObject({ generation: 1, userId: user, delivery: 'body' });
      expect(await node.families.find(sid)).toMatchObject({ generation: 1, macKey: 'next key' });
      expect(await eventsOf(sid)).toEqual(['login', 'refresh']);
    }
    await other.stop();
  });

  it('rotates only the current generation of a live family', async () => {
    const { sid } = await aFamily(node, user);
    expect(await rotate(sid, 1)).toBeUndefined();
    expect((await rotate(sid, 0))?.generation).toBe(1);
    expect(await rotate(sid, 0)).toBeUndefined();
    await set(sid, `expires_at = now() - interval '1 second'`);
    expect((await node.families.find(sid))?.expired).toBe(true);
    expect(await rotate(sid, 1)).toBeUndefined();
    const ended = await aFamily(node, user);
    await node.revocations.revokeFamilies([ended.sid], 'logout', 'logout', NO_ORIGIN);
    expect(await rotate(ended.sid, 0)).toBeUndefined();
    expect(await rotate(randomUUID(), 0)).toBeUndefined();
  });

  it('extends the expiry at each rotation, but never beyond the absolute expiry', async () => {
    const { sid } = await aFamily(node, user, { expiry: 10, familyExpiry: 500 });
    const rotated = (await rotate(sid, 0))!;
    expect((rotated.expiresAt - rotated.now) / 1000).toBeCloseTo(500, 0);
    expect((await node.families.find(sid))?.age).toBeLessThan(1);
  });

  it('confirms only the current generation and never lowers a confirmation', async () => {
    const { sid } = await aFamily(node, user);
    await rotate(sid, 0);
    await rotate(sid, 1);
    const confirmed = async () => (await node.families.find(sid))?.confirmedGeneration;
    await node.families.confirm(
      new Map([
        [sid, 1],
        [randomUUID(), 1],
      ]),
    );
    expect(await confirmed()).toBe(0);
    await node.families.confirm(new Map([[sid, 3]]));
    expect(await confirmed()).toBe(0);
    await node.families.confirm(new Map([[sid, 2]]));
    await node.families.confirm(new Map([[sid, 1]]));
    expect(await confirmed()).toBe(2);
  });

  it('deletes in batches only families whose absolute expiry was a week ago', async () => {
    const old = await Promise.all([1, 2, 3].map(() => aFamily(node, user)));
    const kept = await aFamily(node, user);
    for (const { sid } of old) await set(sid, `absolute_expires_at = now() - interval '7 days 1 minute'`);
    await set(kept.sid, `absolute_expires_at = now() - interval '6 days 23 hours'`);
    expect(await node.families.removeExpired(2)).toBe(2);
    expect(await node.families.removeExpired(2)).toBe(1);
    expect(await node.families.removeExpired(2)).toBe(0);
    expect(await node.families.find(kept.sid)).toBeDefined();
    expect(await node.families.find(old[0]!.sid)).toBeUndefined();
  });

  it('lists the live families of one user, the last used first', async () => {
    const devices = new DeviceStore(db.database);
    const owner = await aUser(db.database);
    const [first, second, ended, expired] = await Promise.all([1, 2, 3, 4].map(() => aFamily(node, owner)));
    await rotate(first!.sid, 0);
    await set(second!.sid, `last_used_at = now() - interval '1 hour'`);
    await node.revocations.revokeFamilies([ended!.sid], 'logout', 'logout', NO_ORIGIN);
    await set(expired!.sid, `expires_at = now()`);
    expect((await devices.list(owner)).map(({ id }) => id)).toEqual([first!.sid, second!.sid]);
    expect(await devices.isOwned(first!.sid, owner)).toBe(true);
    expect(await devices.isOwned(first!.sid, user)).toBe(false);
    // Revoking a revoked family again is not an error, so it still belongs to its owner.
    expect(await devices.isOwned(ended!.sid, owner)).toBe(true);
    expect(await devices.isOwned(expired!.sid, owner)).toBe(true);
  });
});
