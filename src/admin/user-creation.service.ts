import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import { RevocationStore } from '../tokens/feed/revocation.store.js';
import { AccountStore } from '../users/account.store.js';
import type { User } from '../users/user.entity.js';
import { UserService } from '../users/user.service.js';
import type { UserToCreate } from '../users/user.service.js';

/** A user as an administrator or the product wants it. At most one of the two password fields is set. */
export interface WantedUser extends UserToCreate {
  readonly disabled?: boolean | undefined;
}

/** Creates users for administrators and for the product. */
@Injectable()
export class UserCreationService {
  constructor(
    private readonly database: Database,
    private readonly users: UserService,
    private readonly accounts: AccountStore,
    private readonly state: ServiceStateStore,
    private readonly revocations: RevocationStore,
  ) {}

  /**
   * Creates the user in one transaction, together with `alongside`. A hash of another system must be supported, and failed logins take as long
   * as it needs from then on. Throws 400 `validation_failed` or `password_too_weak`, 409 `username_taken` or `external_id_taken`.
   */
  async create(
    { password, passwordHash, disabled, ...wanted }: WantedUser,
    origin: Origin,
    actorId: string,
    alongside?: (sql: Sql, user: User) => Promise<void>,
  ): Promise<User> {
    const floor = passwordHash === undefined ? undefined : this.users.requireHash(passwordHash);
    // Before the transaction, because hashing takes long.
    const { display } = this.users.requireUsername(wanted.username);
    const hash =
      password === undefined ? passwordHash : await this.users.hashNew(password, display, 'password');
    return this.database.transaction(async (sql) => {
      const user = await this.users.create({ ...wanted, passwordHash: hash }, origin, actorId, sql);
      if (user.id === user.externalId) await this.continueEpoch(sql, user.id);
      await alongside?.(sql, user);
      if (floor !== undefined) await this.state.raiseFailureFloor(sql, floor);
      return disabled === true ? this.accounts.disable(sql, user.id) : user;
    });
  }

  /** A deleted user with the same UUID may have revocations that would refuse the tokens of this one. */
  private async continueEpoch(sql: Sql, id: string): Promise<void> {
    const epoch = await this.revocations.highestEpoch(sql, id);
    if (epoch !== null) await this.accounts.raiseEpoch(sql, id, epoch);
  }
}
