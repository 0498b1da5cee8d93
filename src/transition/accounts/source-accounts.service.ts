import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { NO_ORIGIN } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import type { AuditEntry } from '../../audit/audit.store.js';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { RowMacs } from '../../common/crypto/row-macs.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { ServiceStateStore } from '../../database/service-state.store.js';
import { violatedUnique } from '../../database/database.errors.js';
import type { Sql } from '../../database/database.js';
import type { RevocationTransaction } from '../../tokens/families/revocation-transaction.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import { PasswordHasher } from '../../users/hashing/password-hasher.js';
import { WorkQueue } from '../../users/hashing/work-queue.js';
import type { User } from '../../users/user.entity.js';
import { normaliseUsername } from '../../users/username.js';
import { isUuid } from '../../users/external-id.js';
import { ProductAuthorityService } from '../../users/product-authority.service.js';
import { SourceFailure } from './source/source-failure.js';
import type { SourceRow } from './source/source-row.js';
import { UsersSourceClient } from './source/users-source.client.js';
import { SourceStateStore } from './source-state.store.js';
import { SourceUserStore } from './source-user.store.js';
import type { KnownUser, SourceMemory } from './source-user.store.js';

/** A user, and the row of the product that describes the user. */
export interface SettledUser {
  readonly user: User;
  readonly row: SourceRow;
}

/** How many users are updated at once. Each holds a connection to the database while the source answers. */
const LANES = 4;
const ROOM = { known: 256, unknown: 256 };

/** The audit detail that says who made the change. */
const BY_SOURCE = { by: 'users source' };

/**
 * Updates users from the users source. If something has changed, reads the source again while the user's row is locked. So an older row
 * never overwrites a newer one, and no login with an old password succeeds meanwhile.
 */
@Injectable()
export class SourceAccountsService {
  private readonly macs: RowMacs;
  private readonly queue = new WorkQueue(LANES, ROOM);

  constructor(
    private readonly source: UsersSourceClient,
    private readonly store: SourceUserStore,
    private readonly faults: SourceStateStore,
    private readonly rules: ProductAuthorityService,
    private readonly revocations: RevocationService,
    private readonly hasher: PasswordHasher,
    private readonly state: ServiceStateStore,
    private readonly audit: AuditStore,
    @Inject(CONFIG) config: Config,
  ) {
    this.macs = new RowMacs('source_users', config);
  }

  /** Whether the stored user matches the row. True for an administrator, whom the product does not control. */
  isCurrent(known: KnownUser, row: SourceRow): boolean {
    if (!this.rules.controls(known)) return true;
    return (
      known.seen &&
      (known.disabledAt !== null) === (row.disabled || isDisabledHere(known)) &&
      (known.ended !== null) === (row.disabled && !isDisabledHere(known)) &&
      (row.role === undefined || known.role === this.rules.roleFor(row.role)) &&
      (row.email === undefined || known.email === row.email) &&
      known.sourceUsername === (row.username ?? null) &&
      sameTimes(known, row) &&
      this.passwordVerdict(known, row) === 'same'
    );
  }

  /**
   * Updates the user, or creates the user. `endsMissing`: if the source has no row, revokes all families and sessions of the
   * user, as a disable does. Returns undefined if the source has no row. Throws {@link SourceFailure}.
   */
  async renew(externalId: string, endsMissing: boolean, adopts = false): Promise<SettledUser | undefined> {
    const work = () =>
      this.revocations.transaction((revocation) =>
        this.renewWithin(revocation, externalId, endsMissing, adopts).catch(rollBack),
      );
    try {
      return await this.queue.run(work, 'known');
    } catch (error) {
      if (error instanceof RollBack) throw error.failure;
      // Two users took one name at the same time. The next attempt finds it taken.
      if (violatedUnique(error) === 'users_username_key_unique')
        throw new SourceFailure('the query failed', { cause: error });
      throw error;
    }
  }

  private async renewWithin(
    revocation: RevocationTransaction,
    externalId: string,
    endsMissing: boolean,
    adopts: boolean,
  ): Promise<SettledUser | undefined> {
    const { sql } = revocation;
    let known = await this.store.lock(sql, externalId);
    let row = await this.source.byId(externalId);
    if (known === undefined && row !== undefined) {
      if (!(await this.create(sql, row))) row = await this.source.byId(externalId);
      known = await this.store.lock(sql, externalId);
    }
    if (known === undefined) return undefined;
    if (row === undefined) {
      if (endsMissing) await this.endMissing(revocation, known);
      return undefined;
    }
    await this.write(revocation, known, row, adopts);
    return { user: (await this.store.find(externalId, sql))!, row };
  }

  /** Creates the user. Returns false if another call has created the user meanwhile. */
  private async create(sql: Sql, row: SourceRow): Promise<boolean> {
    const { externalId } = row;
    const id = isUuid(externalId) ? externalId : randomUUID();
    const user = {
      id,
      role: await this.rules.grant(row.role ?? 'user', 'source'),
      email: row.email ?? null,
      externalId,
      disabled: row.disabled,
    };
    const fallback = `user-${id}`;
    for (const name of [nameOf(row), { display: fallback, key: fallback }]) {
      if (name === undefined) continue;
      if (await this.store.create(sql, { ...user, username: name.display, usernameKey: name.key })) {
        const entry = { event: 'user', cause: 'created', userId: id, detail: BY_SOURCE };
        await this.audit.add(entry, NO_ORIGIN, sql);
        return true;
      }
    }
    if ((await this.store.find(externalId, sql)) === undefined)
      throw new SourceFailure('the external_id is the id of a local user');
    return false;
  }

  private async write(
    revocation: RevocationTransaction,
    known: KnownUser,
    row: SourceRow,
    adopts: boolean,
  ): Promise<void> {
    if (!this.rules.controls(known)) return;
    const { sql } = revocation;
    const { id } = known;
    const verdict = this.passwordVerdict(known, row);
    const keepsDisabled = isDisabledHere(known);
    const disabled = row.disabled || keepsDisabled;
    const role = row.role === undefined ? known.role : await this.rules.grant(row.role, 'source');
    const hash = row.passwordHash;
    // The password of an adopted user is stored here, too.
    const stores = hash !== undefined && (adopts || known.passwordHash !== null);
    const passwordHash = stores ? hash : known.passwordHash;
    await this.store.write(sql, id, {
      role,
      email: row.email === undefined ? known.email : row.email,
      passwordHash,
      disabled,
    });
    await this.rename(sql, known, row, adopts);
    await this.store.keep(sql, id, {
      passwordMacs: hash === undefined ? known.passwordMacs : this.macs.make([id, hash]),
      passwordChangedAt: row.passwordChangedAt,
      sourceUsername: row.username ?? null,
      ended: row.disabled && !keepsDisabled ? 'disabled' : null,
    });
    await this.noteHash(sql, hash);
    const causes = this.causesOf(known, { role, disabled, isNewPassword: verdict === 'new' });
    if (causes.includes('disabled')) await revocation.revokeUser(id, 'disable');
    else if (causes.includes('password')) await revocation.revokeUser(id, 'password');
    else if (causes.includes('role')) await revocation.invalidateAccessTokens([id]);
    await this.audit.addAll(
      causes.map((cause) => entryOf(id, cause)),
      NO_ORIGIN,
      sql,
    );
  }

  private causesOf(
    known: KnownUser,
    now: { readonly role: string; readonly disabled: boolean; readonly isNewPassword: boolean },
  ): string[] {
    const wasDisabled = known.disabledAt !== null;
    return [
      ...(now.role === known.role ? [] : ['role']),
      ...(now.disabled === wasDisabled ? [] : [now.disabled ? 'disabled' : 'enabled']),
      ...(now.isNewPassword ? ['password'] : []),
    ];
  }

  private async endMissing(revocation: RevocationTransaction, known: KnownUser): Promise<void> {
    if (!this.rules.controls(known) || known.ended !== null || isDisabledHere(known)) return;
    const { sql } = revocation;
    const { role, email, passwordHash } = known;
    await this.store.write(sql, known.id, { role, email, passwordHash, disabled: true });
    await this.store.keep(sql, known.id, { ...memoryOf(known), ended: 'missing' });
    await revocation.revokeUser(known.id, 'disable');
    await this.audit.add(entryOf(known.id, 'disabled'), NO_ORIGIN, sql);
  }

  /** Changes the name. A taken name is tried again at the next change and at the adoption. */
  private async rename(sql: Sql, known: KnownUser, row: SourceRow, adopts: boolean): Promise<void> {
    const name = nameOf(row);
    if (name === undefined || name.display === known.username) return;
    const changed = known.seen && known.sourceUsername !== row.username;
    if (!changed && known.seen && !adopts) return;
    if (await this.store.rename(sql, known.id, name.display, name.key)) return;
    // The old name may be that of another user in the product now.
    const fallback = `user-${known.id}`;
    if (known.seen) await this.store.rename(sql, known.id, fallback, fallback);
  }

  /** `new`: the password was replaced. `first`: the hash was not known before. */
  private passwordVerdict(known: KnownUser, row: SourceRow): 'same' | 'first' | 'new' | 'rehashed' {
    const hash = row.passwordHash;
    if (hash === undefined) return 'same';
    const verdict = this.macs.verify([known.id, hash], known.passwordMacs);
    if (verdict === 'right') return this.macs.isComplete(known.passwordMacs) ? 'same' : 'rehashed';
    if (verdict === 'missing')
      return known.passwordHash === null || sameSecret(known.passwordHash, hash) ? 'first' : 'new';
    const sameTime = row.passwordChangedAt !== null && sameTimes(known, row);
    return sameTime ? 'rehashed' : 'new';
  }

  /** Makes every failed login take as long as the most expensive hash, on every node. */
  private async noteHash(sql: Sql, hash: string | null | undefined): Promise<void> {
    if (hash === null || hash === undefined) return;
    const appraisal = this.hasher.appraise(hash);
    if (appraisal.outcome === 'known') await this.state.raiseFailureFloor(sql, appraisal.floor);
    else
      await this.faults.note(
        appraisal.outcome === 'too_costly'
          ? 'a password_hash takes too much time or memory to check'
          : 'a password_hash has an unknown format',
      );
  }
}

/** Carries a failure of the source out of a transaction. The database has not failed, so its connection is good. */
class RollBack extends Error {
  constructor(readonly failure: SourceFailure) {
    super('the transaction is rolled back', { cause: failure });
  }
}

function rollBack(error: unknown): never {
  throw error instanceof SourceFailure ? new RollBack(error) : error;
}

/** Whether an administrator of Tandem has disabled the user. The source does not change that. */
function isDisabledHere({ disabledAt, ended }: KnownUser): boolean {
  return disabledAt !== null && ended === null;
}

/** Whether the password was changed at the same time as before, as far as the source tells. */
function sameTimes({ passwordChangedAt: before }: KnownUser, { passwordChangedAt: now }: SourceRow): boolean {
  return before === now;
}

function memoryOf({ passwordMacs, passwordChangedAt, sourceUsername, ended }: KnownUser): SourceMemory {
  return { passwordMacs, passwordChangedAt, sourceUsername, ended };
}

function nameOf({ username }: SourceRow) {
  return username === undefined ? undefined : normaliseUsername(username);
}

function entryOf(userId: string, cause: string): AuditEntry {
  return { event: 'user', cause, userId, detail: BY_SOURCE };
}
