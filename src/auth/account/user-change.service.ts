import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import type { AuditEntry } from '../../audit/audit.store.js';
import { refuse } from '../../common/common.errors.js';
import { sameSecret } from '../../common/crypto/constant-time.js';
import type { Sql } from '../../database/database.js';
import type { RevocationTransaction } from '../../tokens/families/revocation-transaction.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import { countLive } from '../../tokens/families/refresh-token.store.js';
import { AccountStore } from '../../users/account.store.js';
import { AdminRole } from '../../users/admin-role.js';
import { requireExternalId } from '../../users/external-id.js';
import { ProductAuthorityService } from '../../users/product-authority.service.js';
import type { ProductChannel } from '../../users/product-authority.service.js';
import type { Account } from '../../users/account.store.js';
import type { Role } from '../../common/role.js';
import type { User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';
import { refuseUser } from '../../users/users.errors.js';
import { WebhookOutbox } from '../../webhooks/webhook-outbox.service.js';

/** The fields to change. An absent field stays unchanged. */
export interface UserChange {
  readonly role?: Role | undefined;
  readonly disabled?: boolean | undefined;
  /** The new email address. Null removes it. */
  readonly email?: string | null | undefined;
  /** The new external id as the caller sent it. Null removes it. */
  readonly externalId?: string | null | undefined;
  /** The new name as the caller sent it. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** A hash that is known to be supported, instead of a password. Null: the user cannot log in with a password. */
  readonly passwordHash?: string | null | undefined;
}

/** Who changes a user. */
export interface ChangeAuthor {
  /** The administrator or the service client; undefined on the command line. */
  readonly actorId?: string | undefined;
  /** The channel, if the product wants the change. Then the rules of `ProductAuthorityService` apply. */
  readonly channel?: ProductChannel | undefined;
  /** Runs in the transaction while the user's row is held, before the change. If it throws, nothing changes. */
  readonly before?: ((sql: Sql) => Promise<void>) | undefined;
  /** More work in the transaction, after the change. It runs even if nothing was changed. If it throws, nothing changes. */
  readonly alongside?: ((sql: Sql, after: User) => Promise<void>) | undefined;
}

/** Changes accounts and revokes tokens and sessions that a change makes invalid. */
@Injectable()
export class UserChangeService {
  constructor(
    private readonly users: UserService,
    private readonly accounts: AccountStore,
    private readonly revocations: RevocationService,
    private readonly audit: AuditStore,
    private readonly adminRole: AdminRole,
    private readonly authority: ProductAuthorityService,
    private readonly outbox: WebhookOutbox,
  ) {}

  /**
   * Changes all given fields in one transaction and returns the user. Everything that changes a user calls this method. Disabling the
   * user or setting a password revokes all their families and sessions. A new role or external id invalidates their access tokens. A field
   * that already has the value is not audited. Throws 404 `not_found`, 400 `validation_failed` or `password_too_weak`, 409
   * `username_taken`, `external_id_taken`, `password_managed_elsewhere`, or `last_admin` if no active administrator would be left. For a
   * change that the product wants, throws 403 `forbidden` if the user is an administrator whom the product does not control.
   */
  async change(
    id: string,
    change: UserChange,
    origin: Origin,
    { actorId, channel, before: check, alongside }: ChangeAuthor = {},
  ): Promise<User> {
    const user = await this.users.find(id);
    if (user === undefined) throw refuse('not_found');
    if (change.password !== undefined && this.users.isPasswordManaged(user))
      throw refuseUser('password_managed_elsewhere');
    const given = await this.normalised(user, change, channel);
    // The product already knows about its own upsert, and that it revokes the user's families.
    const announced = channel !== 'upsert';
    const work = async (revocation: RevocationTransaction) => {
      const { sql } = revocation;
      if (this.mayRemoveAdmin(given)) await this.accounts.lockAdmins(sql);
      const before = await this.accounts.hold(sql, id);
      if (before === undefined) throw refuse('not_found');
      if (channel !== undefined && !this.authority.controls(before)) throw refuse('forbidden');
      await check?.(sql);
      const wanted = wantedOf(before, given);
      const events = eventsOf(before, wanted);
      if (events.length === 0) {
        await alongside?.(sql, before);
        return before;
      }
      await this.requireAnotherAdmin(revocation, before, wanted);
      const after = await this.accounts.write(sql, id, wanted);
      if (typeof after === 'string') throw refuseUser(after === 'id_taken' ? 'external_id_taken' : after);
      const ended = await this.revoke(revocation, id, events);
      const detailed = events.map((event) =>
        REVOKING_CAUSES.has(event.cause) ? { ...event, detail: { ended } } : event,
      );
      const entries: AuditEntry[] = detailed.map((event) => ({
        event: 'user',
        userId: id,
        actorId,
        ...event,
      }));
      await this.audit.addAll(entries, origin, sql);
      if (announced) await this.announce(sql, after, events);
      await alongside?.(sql, after);
      return after;
    };
    return this.revocations.transaction(work, { webhooks: announced, by: { actorId } });
  }

  /** Validates and normalises the given fields, outside the transaction, because hashing takes long. */
  private async normalised(
    user: User,
    change: UserChange,
    channel: ProductChannel | undefined,
  ): Promise<Partial<Account>> {
    const { role, disabled, email, externalId, username, password } = change;
    const name = username === undefined ? undefined : this.users.requireUsername(username);
    const passwordHash =
      password === undefined
        ? change.passwordHash
        : await this.users.hashNew(password, name?.display ?? user.username, 'password');
    return defined({
      role: role === undefined || channel === undefined ? role : await this.authority.grant(role, channel),
      disabled,
      email,
      externalId: externalId == null ? externalId : requireExternalId(externalId, user.id),
      username: name?.display,
      usernameKey: name?.key,
      passwordHash,
    });
  }

  private mayRemoveAdmin({ role, disabled }: Partial<Account>): boolean {
    return disabled === true || (role !== undefined && role !== this.adminRole.name);
  }

  /** Throws 409 `last_admin` if the change would remove the last active administrator. */
  private async requireAnotherAdmin(
    { sql }: RevocationTransaction,
    before: User,
    wanted: Account,
  ): Promise<void> {
    const wasAdmin = this.adminRole.isHeldBy(before) && before.disabledAt === null;
    const staysAdmin = this.adminRole.isHeldBy(wanted) && !wanted.disabled;
    if (wasAdmin && !staysAdmin && !(await this.accounts.anotherAdmin(sql, before.id)))
      throw refuseUser('last_admin');
  }

  /** Writes the webhooks of the change: one for a new password, and one for all other fields together. */
  private async announce(sql: Sql, user: User, events: readonly Event[]): Promise<void> {
    const { id: userId, externalId } = user;
    const state = user.disabledAt === null ? 'active' : 'disabled';
    const changed = events.map(({ cause }) => FIELDS[cause]).filter((field) => field !== 'password');
    if (changed.length < events.length)
      await this.outbox.add(sql, { type: 'user.password_changed', userId, externalId, state });
    if (changed.length > 0)
      await this.outbox.add(sql, { type: 'user.changed', userId, externalId, state, changed });
  }

  /** Returns how many families and sessions were revoked. */
  private async revoke(
    revocation: RevocationTransaction,
    id: string,
    events: readonly Event[],
  ): Promise<number> {
    const causes = new Set(events.map(({ cause }) => cause));
    if (causes.has('disabled'))
      return countLive(await revocation.revokeUser(id, 'disable')) + revocation.revokedSessions;
    if (causes.has('password'))
      return countLive(await revocation.revokeUser(id, 'password')) + revocation.revokedSessions;
    if (causes.has('role') || causes.has('external_id')) await revocation.invalidateAccessTokens([id]);
    return 0;
  }
}

type Cause = 'role' | 'disabled' | 'enabled' | 'email' | 'external_id' | 'username' | 'password';

/** The field that an event is about. */
const FIELDS: Readonly<Record<Cause, string>> = {
  role: 'role',
  disabled: 'disabled',
  enabled: 'disabled',
  email: 'email',
  external_id: 'external_id',
  username: 'username',
  password: 'password',
};

interface Event {
  readonly cause: Cause;
  readonly detail?: Record<string, unknown>;
}

/** The changes that revoke all families and sessions of the user. */
const REVOKING_CAUSES: ReadonlySet<Cause> = new Set(['disabled', 'password']);

/** Returns the fields that are not undefined. */
function defined(fields: {
  readonly [Field in keyof Account]: Account[Field] | undefined;
}): Partial<Account> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The account with the changes. */
function wantedOf(before: User, given: Partial<Account>): Account {
  const { role, email, passwordHash, externalId, username, usernameKey, disabledAt } = before;
  const account = { role, email, passwordHash, externalId, username, usernameKey };
  return { ...account, disabled: disabledAt !== null, ...given };
}

/** Returns one event for each changed field. */
function eventsOf(before: User, wanted: Account): Event[] {
  const events: Event[] = [];
  const wasDisabled = before.disabledAt !== null;
  if (wanted.role !== before.role)
    events.push({ cause: 'role', detail: { from: before.role, to: wanted.role } });
  if (wanted.disabled !== wasDisabled) events.push({ cause: wanted.disabled ? 'disabled' : 'enabled' });
  if (wanted.email !== before.email) events.push({ cause: 'email' });
  if (wanted.externalId !== before.externalId)
    events.push({ cause: 'external_id', detail: { from: before.externalId, to: wanted.externalId } });
  if (wanted.username !== before.username) events.push({ cause: 'username' });
  if (!sameSecret(wanted.passwordHash, before.passwordHash)) events.push({ cause: 'password' });
  return events;
}
