import type { Sql } from '../../database/database.js';
import type { RevokedSet, RevocationHook, Exempt } from './revocation-hook.js';
import type { RevocationReason } from './refresh-token.entity.js';
import type { RevokedFamily, RefreshTokenStore } from './refresh-token.store.js';
import type { RevocationEntry } from '../feed/revocation-list.js';
import type { RevocationStore } from '../feed/revocation.store.js';

/** The caller's transaction holds the rows until its end. In the order of ids, so that no two of these wait in a circle. */
const NEW_EPOCHS = `
  WITH held AS (SELECT id FROM users WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE)
  UPDATE users SET epoch = epoch + 1 FROM held WHERE users.id = held.id RETURNING users.id, epoch`;

type UserEpoch = { readonly id: string; readonly epoch: number };

/**
 * Ends logins inside one transaction, which LoginEnder opens: nothing of it is in force before the commit. The rows of
 * users are locked before those of logins, and both in the order of their ids, as everywhere.
 */
export class RevocationTransaction {
  /** What this node has to refuse from the commit on. */
  readonly entries: RevocationEntry[] = [];
  /** Whether some of it may have ended before on another node, so that this one has not heard of it yet. */
  repeated = false;
  /** How much else ended that could still have been used, such as sessions that have no login by token. */
  revokedSessions = 0;
  /** What {@link RevocationHook.clear} gets after the commit. */
  readonly leftovers: string[] = [];

  constructor(
    readonly sql: Sql,
    private readonly families: RefreshTokenStore,
    private readonly revocations: RevocationStore,
    private readonly hook: RevocationHook | undefined,
  ) {}

  /** Ends those of the logins, and of what came of them, that have not ended; says which. */
  async revokeFamilies(sids: readonly string[], reason: RevocationReason): Promise<RevokedFamily[]> {
    const all: RevokedFamily[] = [];
    let next = (await this.hook?.successorsOf(this.sql, sids)) ?? sids;
    while (next.length > 0) {
      const ended = await this.families.revokeFamilies(this.sql, next, reason);
      await this.publish(ended);
      if (ended.length < next.length) this.repeated = true;
      all.push(...ended);
      next = await this.callHook({ sids: next }, reason);
    }
    return all;
  }

  /**
   * Ends everything the user has, except perhaps what calls, and refuses what is in the making: a login that is being
   * written holds the user's row shared, so it is seen here or finds another epoch. Says which logins ended.
   */
  async revokeUser(userId: string, reason: RevocationReason, except: Exempt = {}): Promise<RevokedFamily[]> {
    const [row] = await this.newEpochs([userId]);
    const spared = await this.withLinkedFamily(except);
    const ended = await this.revokeAllOf([userId], reason, spared);
    if (spared.sid !== undefined) this.repeated = true;
    else if (row !== undefined) await this.invalidateBefore(row);
    return ended;
  }

  /** Like {@link revokeUser} for each of them, in as many statements as for one. */
  async revokeUsers(userIds: readonly string[], reason: RevocationReason): Promise<RevokedFamily[]> {
    await this.newEpochs(userIds);
    // No cut-off for each user: the tokens that live belong to the logins that end here, or ended before.
    this.repeated = true;
    return this.revokeAllOf(userIds, reason);
  }

  /** Refuses the user's access tokens of before; the logins live on. */
  async invalidateAccessTokens(userId: string): Promise<void> {
    const [row] = await this.newEpochs([userId]);
    if (row !== undefined) await this.invalidateBefore(row);
  }

  private async revokeAllOf(
    userIds: readonly string[],
    reason: RevocationReason,
    except: Exempt = {},
  ): Promise<RevokedFamily[]> {
    const ended = await this.families.revokeFamiliesOfUsers(this.sql, userIds, reason, except.sid);
    await this.publish(ended);
    await this.callHook({ userIds, except }, reason);
    return ended;
  }

  /** Says which logins have to end, too. */
  private async callHook(ended: RevokedSet, reason: RevocationReason): Promise<readonly string[]> {
    const also = await this.hook?.onRevoked(this.sql, ended, reason);
    this.revokedSessions += also?.sessions ?? 0;
    this.leftovers.push(...(also?.leftovers ?? []));
    return also?.families ?? [];
  }

  /** A session may have been given a login since its request began. */
  private async withLinkedFamily(except: Exempt): Promise<Exempt> {
    if (except.session === undefined) return except;
    return { ...except, sid: await this.hook?.linkedFamilyOf(this.sql, except.session) };
  }

  private async publish(ended: readonly RevokedFamily[]): Promise<void> {
    const sids = ended.map(({ sid }) => sid);
    this.entries.push(...(await this.revocations.addSids(this.sql, sids)));
  }

  /** By the id as the database writes it: the caller may have it in capitals, tokens do not. */
  private async invalidateBefore({ id, epoch }: UserEpoch): Promise<void> {
    this.entries.push(await this.revocations.addUser(this.sql, id, epoch));
  }

  private newEpochs(userIds: readonly string[]): Promise<UserEpoch[]> {
    return this.sql.query<UserEpoch>(NEW_EPOCHS, [userIds]);
  }
}
