import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { Rotation } from '../../../src/auth/refresh/refresh.service.js';
import type { TokenEligibility } from '../../../src/auth/refresh/token-eligibility.service.js';
import { Clock } from '../../../src/common/clock.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aNode, aUser } from './token-node.js';
import type { TokenNode } from './token-node.js';

describe('RefreshService.present', () => {
  let db: TestDatabase;
  let node: TokenNode;
  let other: TokenNode;
  let user: string;

  beforeAll(async () => {
    db = await createTestDatabase();
    node = await aNode(db.url);
    other = await aNode(db.url);
    user = await aUser(db.database);
  });
  afterAll(async () => {
    await node.stop();
    await other.stop();
    await db.drop();
  });

  const open = async (on = node) => (await on.tokens.open({ id: user, epoch: 0 }, 'body', NO_ORIGIN))!;
  const present = (token: string, on = node) => on.refreshes.present(token, NO_ORIGIN);
  const next = async (token: string, on = node) => {
    const rotation = await present(token, on);
    if (!('token' in rotation)) throw new Error(`refused: ${JSON.stringify(rotation)}`);
    return rotation.token;
  };
  const aNodeThatAsks = (mayContinue: TokenEligibility['mayContinue']) =>
    aNode(db.url, {}, new Clock(), () => undefined, {
      isEligible: () => true,
      restrictsExistingFamilies: () => true,
      mayContinue,
    });
  const set = (sid: string, assignment: string) =>
    db.database.query(`UPDATE refresh_tokens SET ${assignment} WHERE id = $1`, [sid]);
  const rejected = (reason: string) => ({ outcome: 'rejected', reason }) as Rotation;

  it('returns the next token at each refresh, on any node', async () => {
    const { family, token } = await open();
    const second = await next(token);
    const third = await next(second, other);
    expect(new Set([token, second, third]).size).toBe(3);
    expect((await node.tokens.verify(third))?.family).toMatchObject({ sid: family.sid, generation: 2 });
  });

  it('opens no family for an outdated user epoch', async () => {
    expect(await node.tokens.open({ id: user, epoch: 7 }, 'body', NO_ORIGIN)).toBeUndefined();
  });

  it('answers 50 simultaneous presentations of one token with the same successor', async () => {
    for (let round = 0; round < 10; round++) {
      const { family, token } = await open();
      const all = await Promise.all(
        Array.from({ length: 50 }, (_, i) => present(token, i % 2 ? node : other)),
      );
      expect(all.filter(({ outcome }) => outcome === 'rotated')).toHaveLength(1);
      expect(all.filter(({ outcome }) => outcome === 'repeated')).toHaveLength(49);
      expect(new Set(all.map((rotation) => 'token' in rotation && rotation.token)).size).toBe(1);
      expect(await node.families.find(family.sid)).toMatchObject({ generation: 1, revoked: false });
    }
  });

  it('repeats a lost response until the successor is seen, then only within the grace period', async () => {
    const { family, token } = await open();
    const successor = await next(token);
    await set(family.sid, `rotated_at = now() - interval '23 hours'`);
    expect(await present(token)).toMatchObject({ outcome: 'repeated', token: successor });
    await node.families.confirm(new Map([[family.sid, 1]]));
    expect(await present(token)).toEqual({ outcome: 'reused', sid: family.sid });
    expect(await present(successor)).toEqual(rejected('refresh_token_revoked'));
  });

  it('repeats the successor for a second tab within the grace period after it was seen', async () => {
    const { family, token } = await open();
    const successor = await next(token);
    await node.families.confirm(new Map([[family.sid, 1]]));
    expect(await present(token)).toMatchObject({ outcome: 'repeated', token: successor });
  });

  it('revokes the family of a token two generations back on all nodes, with one event, and no other family', async () => {
    const [thiefs, others] = [await open(), await open()];
    const current = await next(await next(thiefs.token));
    const outcomes = await Promise.all([present(thiefs.token), present(thiefs.token, other)]);
    expect(outcomes.map(({ outcome }) => outcome).toSorted()).toEqual(['rejected', 'reused']);
    expect(await present(current, other)).toEqual(rejected('refresh_token_revoked'));
    expect((await present(others.token)).outcome).toBe('rotated');
    const events = await db.database.query(
      `SELECT event, cause, user_id AS "userId" FROM audit_events WHERE sid = $1 AND event = 'refresh_reused'`,
      [thiefs.family.sid],
    );
    expect(events).toEqual([{ event: 'refresh_reused', cause: 'reuse', userId: user }]);
  });

  it('refuses a token that it did not make and revokes no family', async () => {
    const { family, token } = await open();
    const forged = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
    const stranger = await aNode(db.url, { jwtSecret: 'the secret of somebody else' });
    const future = node.tokens['codec'].mint(family, 5, family.macKey)!;
    const unknown = node.tokens['codec'].mint({ ...family, sid: randomUUID() }, 0, family.macKey)!;
    for (const bad of [forged, future, unknown, 'text', '', `${token}=`]) {
      expect(await present(bad)).toEqual(rejected('refresh_token_invalid'));
      if (bad !== future) expect(await node.tokens.verify(bad)).toBeUndefined();
    }
    expect(await present(token, stranger)).toEqual(rejected('refresh_token_invalid'));
    await stranger.stop();
    expect((await present(token)).outcome).toBe('rotated');
  });

  it('refuses an expired family as expired and a revoked family as revoked', async () => {
    const [expired, ended] = [await open(), await open()];
    await set(expired.family.sid, `expires_at = now()`);
    await node.revocations.revokeFamilies([ended.family.sid], 'logout', 'logout', NO_ORIGIN);
    expect(await present(expired.token)).toEqual(rejected('refresh_token_expired'));
    expect(await present(ended.token)).toEqual(rejected('refresh_token_revoked'));
    expect((await node.tokens.verify(ended.token))?.family).toMatchObject({ revoked: true });
  });

  it('asks once whether the user is eligible, before anything changes, and not for a reused token', async () => {
    const { family, token } = await open();
    const mayContinue = vi.fn<TokenEligibility['mayContinue']>(() => {
      throw new Error('not now');
    });
    const asking = await aNodeThatAsks(mayContinue);
    await expect(present(token, asking)).rejects.toThrow('not now');
    expect((await node.families.find(family.sid))?.generation).toBe(0);
    await next(await next(token));
    expect((await present(token, asking)).outcome).toBe('reused');
    expect(mayContinue.mock.calls).toEqual([[{ id: user, role: 'user' }]]);
    await asking.stop();
  });

  it('works on 64 presentations of a family at once, answers 503 to the next, and then accepts calls again', async () => {
    const { token } = await open();
    const gate = Promise.withResolvers<boolean>();
    const mayContinue = vi.fn<TokenEligibility['mayContinue']>(() => true);
    for (let call = 0; call < 64; call++) mayContinue.mockReturnValueOnce(gate.promise);
    const asking = await aNodeThatAsks(mayContinue);
    const held = Array.from({ length: 64 }, () => present(token, asking));
    await expect(present(token, asking)).rejects.toMatchObject({
      status: 503,
      headers: { 'Retry-After': '1' },
    });
    await vi.waitUntil(() => mayContinue.mock.calls.length === 64, 15_000);
    expect((await present((await open()).token, asking)).outcome).toBe('rotated');
    gate.resolve(true);
    expect((await Promise.all(held)).every((rotation) => 'token' in rotation)).toBe(true);
    expect((await present(token, asking)).outcome).toBe('repeated');
    await asking.stop();
  });

  it('rotates a family to a new JWT_SECRET and repeats successors across the change', async () => {
    const { token } = await open();
    const last = await next(token);
    const renewed = await aNode(db.url, {
      jwtSecret: 'the secret of tomorrow',
      jwtSecretPrevious: node.config.jwtSecret,
    });
    expect(await present(token, renewed)).toMatchObject({ outcome: 'repeated', token: last });
    const renewedToken = await next(last, renewed);
    expect(await present(last, renewed)).toMatchObject({ outcome: 'repeated', token: renewedToken });
    await expect(present(last)).rejects.toMatchObject({ status: 503 });
    expect(await present(renewedToken)).toEqual(rejected('refresh_token_invalid'));
    expect((await present(renewedToken, renewed)).outcome).toBe('rotated');
    await renewed.stop();
  });
});
