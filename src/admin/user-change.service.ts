import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { AuditStore } from '../audit/audit.store.js';
import type { AuditEntry } from '../audit/audit.store.js';
import { refuse } from '../common/common.errors.js';
import { sameSecret } from '../common/constant-time.js';
import type { Sql } from '../database/database.js';
import type { RevocationTransaction } from '../tokens/families/revocation-transaction.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { countLive } from '../tokens/families/refresh-token.store.js';
import { AccountStore } from '../users/account.store.js';
import type { Account } from '../users/account.store.js';
import type { Role, User } from '../users/user.entity.js';
import { UserService } from '../users/user.service.js';
import { refuseUser } from '../users/users.errors.js';
import { WebhookOutbox } from '../webhooks/webhook-outbox.service.js';

/** The fields to change. An absent field stays unchanged. */
export interface UserChange {
  readonly role?: Role | undefined;
  readonly disabled?: boolean | undefined;
  /** Null clears it. */
  readonly email?: string | null | undefined;
  readonly password?: string | undefined;
}

/** Changes accounts and revokes tokens and sessions that a change makes invalid. */
@Injectable()
export class UserChangeService {
  constructor(
    private readonly users: UserService,
    private readonly accounts: AccountStore,
    private readonly revocations: RevocationService,
    private readonly audit: AuditStore,
    private readonly outbox: WebhookOutbox,
  ) {}

  /**
   * Changes all given fields in one transaction and returns the user. Disabling the user or setting a password revokes all their families
   * and sessions. A new role invalidates their access tokens. A field that already has the value is not audited. Throws 404 `not_found`,
   * 400 `password_too_weak`, or 409 `last_admin` if no active administrator would be left.
   */
  async change(id: string, change: UserChange, origin: Origin, actorId?: string): Promise<User> {
    const user = await this.users.find(id);
    if (user === undefined) throw refuse('not_found');
    const passwordHash =
      change.password === undefined
        ? undefined
        : await this.users.hashNew(change.password, user.username, 'password');
    return this.revocations.transaction(async (revocation) => {
      const { sql } = revocation;
      if (change.role === 'user' || change.disabled === true) await this.accounts.lockAdmins(sql);
      const before = await this.accounts.hold(sql, id);
      if (before === undefined) throw refuse('not_found');
      const wanted: Account = {
        role: change.role ?? before.role,
        email: change.email === undefined ? before.email : change.email,
        passwordHash: passwordHash ?? before.passwordHash,
        disabled: change.disabled ?? before.disabledAt !== null,
      };
      const events = eventsOf(before, wanted);
      if (events.length === 0) return before;
      await this.requireAnotherAdmin(revocation, before, wanted);
      const after = await this.accounts.write(sql, id, wanted);
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
      await this.announce(sql, after, events);
      return after;
    });
  }

  /** Throws 409 `last_admin` if the change would remove the last active administrator. */
  private async requireAnotherAdmin(
    { sql }: RevocationTransaction,
    before: User,
    wanted: Account,
  ): Promise<void> {
    const wasAdmin = before.role === 'admin' && before.disabledAt === null;
    const staysAdmin = wanted.role === 'admin' && !wanted.disabled;
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
    if (causes.has('role')) await revocation.invalidateAccessTokens(id);
    return 0;
  }
}

type Cause = 'role' | 'disabled' | 'enabled' | 'email' | 'password';

/** The field that an event is about. */
const FIELDS: Readonly<Record<Cause, string>> = {
  role: 'role',
  disabled: 'disabled',
  enabled: 'disabled',
  email: 'email',
  password: 'password',
};

interface Event {
  readonly cause: Cause;
  readonly detail?: Record<string, unknown>;
}

/** The changes that revoke all families and sessions of the user. */
const REVOKING_CAUSES: ReadonlySet<Cause> = new Set(['disabled', 'password']);

/** One event for each changed field. */
function eventsOf(before: User, wanted: Account): Event[] {
  const events: Event[] = [];
  const wasDisabled = before.disabledAt !== null;
  if (wanted.role !== before.role)
    events.push({ cause: 'role', detail: { from: before.role, to: wanted.role } });
  if (wanted.disabled !== wasDisabled) events.push({ cause: wanted.disabled ? 'disabled' : 'enabled' });
  if (wanted.email !== before.email) events.push({ cause: 'email' });
  if (!sameSecret(wanted.passwordHash, before.passwordHash)) events.push({ cause: 'password' });
  return events;
}
