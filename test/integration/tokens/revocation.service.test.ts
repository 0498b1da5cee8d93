import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { Clock } from '../../../src/common/clock.js';
import type { RevocationHook } from '../../../src/tokens/families/revocation-hook.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aNode, aUser, tokenOf } from './token-node.js';
import type { TokenNode } from './token-node.js';

describe('RevocationService with a revocation hook', () => {
  let db: TestDatabase;
  let node: TokenNode;
  const hook = {
    successorsOf: vi.fn<RevocationHook['successorsOf']>(async (_, sids) => sids),
    onRevoked: vi.fn<RevocationHook['onRevoked']>(async () => ({ sessions: 0, families: [], leftovers: [] })),
    isReused: vi.fn<RevocationHook['isReused']>(async () => false),
    mayContinue: vi.fn<RevocationHook['mayContinue']>(async () => true),
    linkedFamilyOf: vi.fn<RevocationHook['linkedFamilyOf']>(async () => undefined),
    clear: vi.fn<RevocationHook['clear']>(async () => undefined),
  };
  beforeAll(async () => {
    db = await createTestDatabase();
    node = await aNode(db.url, {}, new Clock(), () => hook);
    await node.feed.start();
  });
  afterEach(() => vi.clearAllMocks());
  afterAll(async () => {
    await node.stop();
    await db.drop();
  });

  const open = async (user: string) => (await node.tokens.open({ id: user, epoch: 0 }, 'body', NO_ORIGIN))!;
  /** A family that may be linked. */
  const openLinkable = async (user: string) =>
    (await node.tokens.openWithin(
      db.database,
      { id: user, epoch: 0 },
      'body',
      { event: 'exchange' },
      NO_ORIGIN,
    ))!;
  const present = (token: string) => node.refreshes.present(token, NO_ORIGIN);
  const eventsOf = async (sid: string) =>
    (
      await db.database.query<{ event: string }>(
        `SELECT event FROM audit_events WHERE sid = $1 ORDER BY id`,
        [sid],
      )
    ).map(({ event }) => event);

  it('asks the hook before rotating a linked family, and revokes the family if the hook refuses', async () => {
    const { family, token } = await openLinkable(await aUser(db.database));
    hook.mayContinue.mockResolvedValueOnce(false);
    expect(await present(token)).toEqual({ outcome: 'rejected', reason: 'refresh_token_revoked' });
    expect(hook.mayContinue).toHaveBeenCalledWith(
      expect.objectContaining({ sid: family.sid, generation: 0 }),
    );
    expect(node.revoked.isRevoked(tokenOf(family))).toBe(true);
    expect(await eventsOf(family.sid)).toEqual(['exchange', 'logout']);
  });

  it('rotates an unlinked family without asking the hook', async () => {
    const { token } = await open(await aUser(db.database));
    const rotation = await present(token);
    expect(rotation.outcome).toBe('rotated');
    expect((await present(token)).outcome).toBe('repeated');
    expect(hook.mayContinue).not.toHaveBeenCalled();
  });

  it('calls the hook for a revoked family, and again for the families that the hook returns', async () => {
    const user = await aUser(db.database);
    const [first, known, late, other] = [
      await open(user),
      await open(user),
      await open(user),
      await open(user),
    ];
    hook.successorsOf.mockResolvedValueOnce([first.family.sid, known.family.sid]);
    hook.onRevoked.mockResolvedValueOnce({ sessions: 1, families: [late.family.sid], leftovers: [] });
    expect(await node.revocations.revokeFamilies([first.family.sid], 'revoke', 'revoke', NO_ORIGIN)).toBe(3);
    expect(hook.onRevoked.mock.calls.map(([, ended]) => ended)).toEqual([
      { sids: [first.family.sid, known.family.sid] },
      { sids: [late.family.sid] },
    ]);
    for (const { family } of [first, known, late]) expect(node.revoked.isRevoked(tokenOf(family))).toBe(true);
    expect(node.revoked.isRevoked(tokenOf(other.family))).toBe(false);
  });

  it('lets the hook clean up after the commit, but not after a rollback', async () => {
    const { family } = await open(await aUser(db.database));
    const revoked: boolean[] = [];
    hook.clear.mockImplementationOnce(async () => {
      const [row] = await db.database.query<{ revoked: boolean }>(
        `SELECT revoked_at IS NOT NULL AS revoked FROM refresh_tokens WHERE id = $1`,
        [family.sid],
      );
      revoked.push(row!.revoked);
    });
    hook.onRevoked.mockResolvedValueOnce({ sessions: 0, families: [], leftovers: ['a', 'b'] });
    const failing = node.revocations.transaction(async (endings) => {
      await endings.revokeFamilies([family.sid], 'revoke');
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(hook.clear).not.toHaveBeenCalled();
    hook.onRevoked.mockResolvedValueOnce({ sessions: 0, families: [], leftovers: ['a', 'b'] });
    await node.revocations.revokeFamilies([family.sid], 'revoke', 'revoke', NO_ORIGIN);
    expect(hook.clear.mock.calls).toEqual([[['a', 'b']]]);
    expect(revoked).toEqual([true]);
  });

  it('audits what the hook revokes under the family if the family was revoked before', async () => {
    const { family } = await open(await aUser(db.database));
    await node.revocations.revokeFamilies([family.sid], 'downgrade', 'downgrade', NO_ORIGIN);
    hook.onRevoked.mockResolvedValueOnce({ sessions: 1, families: [], leftovers: [] });
    await node.revocations.revokeFamilies([family.sid], 'revoke', 'revoke', NO_ORIGIN);
    await node.revocations.revokeFamilies([family.sid], 'revoke', 'revoke', NO_ORIGIN);
    expect(await eventsOf(family.sid)).toEqual(['login', 'downgrade', 'revoke']);
  });

  it('lets the hook decide whether a token of a revoked family is reused', async () => {
    const { family, token } = await open(await aUser(db.database));
    await node.revocations.revokeFamilies([family.sid], 'downgrade', 'downgrade', NO_ORIGIN);
    expect(await present(token)).toEqual({ outcome: 'rejected', reason: 'refresh_token_revoked' });
    hook.isReused.mockResolvedValueOnce(true);
    hook.onRevoked.mockResolvedValueOnce({ sessions: 1, families: [], leftovers: [] });
    expect(await present(token)).toEqual({ outcome: 'reused', sid: family.sid });
    expect(hook.isReused).toHaveBeenLastCalledWith(expect.objectContaining({ sid: family.sid }), 0);
    expect(await eventsOf(family.sid)).toEqual(['login', 'downgrade', 'refresh_reused']);
  });

  it('keeps an exempt session and the family that is linked to it meanwhile', async () => {
    const user = await aUser(db.database);
    const [mine, another] = [await open(user), await open(user)];
    hook.linkedFamilyOf.mockResolvedValueOnce(mine.family.sid);
    hook.onRevoked.mockResolvedValueOnce({ sessions: 2, families: [], leftovers: [] });
    const ending = { reason: 'password', event: 'user', exceptSession: 'a session' } as const;
    expect(await node.revocations.revokeUser(user, ending, NO_ORIGIN)).toBe(3);
    expect(hook.onRevoked).toHaveBeenCalledWith(
      expect.anything(),
      { userIds: [user], except: { sid: mine.family.sid, session: 'a session' } },
      'password',
    );
    expect(node.revoked.isRevoked(tokenOf(mine.family))).toBe(false);
    expect(node.revoked.isRevoked(tokenOf(another.family))).toBe(true);
  });
});
