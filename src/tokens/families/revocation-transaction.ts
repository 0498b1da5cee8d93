import type { Sql } from '../../database/database.js';
import type { WebhookOutbox } from '../../webhooks/webhook-outbox.service.js';
import type { RevocationEntry } from '../feed/revocation-list.js';
import type { RevocationStore, UserEpoch } from '../feed/revocation.store.js';
import type { RevocationReason } from './refresh-token.entity.js';
import type { RefreshTokenStore, RevokedFamily, Revoker } from './refresh-token.store.js';
import type { Exempt, RevocationHook, RevokedSet } from './revocation-hook.js';

/** Locks the rows until the transaction ends. In the order of ids, so that two transactions cannot deadlock. */
const NEW_EPOCHS = `
  WITH held AS (SELECT id FROM users WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE)
  UPDATE users SET epoch = epoch + 1 FROM held WHERE users.id = held.id RETURNING users.id, epoch`;

/**
 * Revokes families inside one transaction, which `RevocationService.transaction` opens. Nothing is revoked before the commit. Locks the
 * rows of users before those of families, and both in the order of their ids, like all other code.
 */
export class RevocationTransaction {
  /** What this node has to refuse from the commit on. */
  readonly entries: RevocationEntry[] = [];
  /** Whether another node may have revoked a part before, so that this node does not know of it yet. */
  repeated = false;
  /** The number of live sessions without a family that were revoked too. */
  revokedSessions = 0;
  /** Ids for {@link RevocationHook.clear}, which is called after the commit. */
  readonly leftovers: string[] = [];
  /** All that some users had was revoked, so the hook has to clear even what it does not know by id. */
  revokedUsers = false;

  constructor(
    readonly sql: Sql,
    private readonly families: RefreshTokenStore,
    private readonly revocations: RevocationStore,
    private readonly hook: RevocationHook | undefined,
    private readonly outbox: WebhookOutbox | undefined,
    private readonly by: Revoker,
  ) {}

  /** Revokes the families and everything that came from them. Returns those that were not revoked before. */
  async revokeFamilies(sids: readonly string[], reason: RevocationReason): Promise<RevokedFamily[]> {
    const all: RevokedFamily[] = [];
    let next = (await this.hook?.successorsOf(this.sql, sids)) ?? sids;
    while (next.length > 0) {
      const revoked = await this.families.revokeFamilies(this.sql, next, reason, this.by);
      await this.publish(revoked, reason);
      if (revoked.length < next.length) this.repeated = true;
      all.push(...revoked);
      next = await this.callHook({ sids: next }, reason);
    }
    return all;
  }

  /**
   * Revokes all families and sessions of the user, except perhaps the caller's own. A login in progress is refused, too: it holds the
   * user's row shared, so either its family is visible here, or it finds another epoch. Returns the revoked families.
   */
  async revokeUser(userId: string, reason: RevocationReason, except: Exempt = {}): Promise<RevokedFamily[]> {
    const epochs = await this.newEpochs([userId]);
    const exempt = await this.withLinkedFamily(except);
    const revoked = await this.revokeAllOf([userId], reason, exempt);
    if (exempt.sid !== undefined) this.repeated = true;
    else await this.invalidateBefore(epochs);
    return revoked;
  }

  /** Revokes all families and sessions of several users, in as many statements as for one. Returns the revoked families. */
  async revokeUsers(userIds: readonly string[], reason: RevocationReason): Promise<RevokedFamily[]> {
    await this.newEpochs(userIds);
    // No entry per user: their live access tokens belong to families that are revoked here or were revoked before.
    this.repeated = true;
    return this.revokeAllOf(userIds, reason);
  }

  /** Invalidates the earlier access tokens of the users, in as many statements as for one user. Their families stay live. */
  async invalidateAccessTokens(userIds: readonly string[]): Promise<void> {
    await this.invalidateBefore(await this.newEpochs(userIds));
  }

  private async revokeAllOf(
    userIds: readonly string[],
    reason: RevocationReason,
    except: Exempt = {},
  ): Promise<RevokedFamily[]> {
    const { sql, by } = this;
    const revoked = await this.families.revokeFamiliesOfUsers(sql, userIds, reason, except.sid, by);
    await this.publish(revoked, reason);
    this.revokedUsers = true;
    await this.callHook({ userIds, except }, reason);
    return revoked;
  }

  /** Calls the hook. Returns the families that have to be revoked too. */
  private async callHook(revoked: RevokedSet, reason: RevocationReason): Promise<readonly string[]> {
    const also = await this.hook?.onRevoked(this.sql, revoked, reason);
    this.revokedSessions += also?.sessions ?? 0;
    this.leftovers.push(...(also?.leftovers ?? []));
    return also?.families ?? [];
  }

  /** The session may have been exchanged for a family since the request began. */
  private async withLinkedFamily(except: Exempt): Promise<Exempt> {
    if (except.session === undefined) return except;
    return { ...except, sid: await this.hook?.linkedFamilyOf(this.sql, except.session) };
  }

  private async publish(revoked: readonly RevokedFamily[], reason: RevocationReason): Promise<void> {
    const sids = revoked.map(({ sid }) => sid);
    this.entries.push(...(await this.revocations.addSids(this.sql, sids)));
    // After a downgrade the user is still logged in, by the session.
    if (reason === 'downgrade') return;
    await this.outbox?.addRevokedLogins(
      this.sql,
      revoked.filter(({ live }) => live),
      reason,
    );
  }

  /**
   * Invalidates older access tokens. Uses the ids as the database writes them: the caller's id may be in upper case, but the ids in tokens
   * are not.
   */
  private async invalidateBefore(users: readonly UserEpoch[]): Promise<void> {
    for (const entry of await this.revocations.addUsers(this.sql, users)) this.entries.push(entry);
  }

  private newEpochs(userIds: readonly string[]): Promise<UserEpoch[]> {
    return this.sql.query<UserEpoch>(NEW_EPOCHS, [userIds]);
  }
}
