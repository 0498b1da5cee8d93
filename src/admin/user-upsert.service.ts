import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { UserChangeService } from '../auth/account/user-change.service.js';
import { refuse, unavailable } from '../common/common.errors.js';
import { Problem } from '../common/http/problem.js';
import { DEFAULT_ROLE } from '../common/role.js';
import type { Sql } from '../database/database.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import { requireExternalId } from '../users/external-id.js';
import { ProductAuthorityService } from '../users/product-authority.service.js';
import { StatedHashes } from '../users/stated-hashes.service.js';
import { UpsertStore } from '../users/upsert.store.js';
import type { UpsertMarks } from '../users/upsert.store.js';
import type { User } from '../users/user.entity.js';
import { UserService } from '../users/user.service.js';
import { refuseUser } from '../users/users.errors.js';
import { UserCreationService } from './user-creation.service.js';
import { requireOnePassword } from './users.dto.js';
import type { UpsertDto } from './users.dto.js';

/** Two upserts of one new id, or an upsert and a deletion, may cross. Each attempt sees what the other one has committed. */
const ATTEMPTS = 5;

export interface Upserted {
  readonly created: boolean;
  readonly user: User;
}

/** Who calls. */
interface Caller {
  readonly origin: Origin;
  readonly actorId: string;
}

/** Creates and changes users on behalf of the product, by the product's own id. */
@Injectable()
export class UserUpsertService {
  constructor(
    private readonly users: UserService,
    private readonly creations: UserCreationService,
    private readonly changes: UserChangeService,
    private readonly authority: ProductAuthorityService,
    private readonly hashes: StatedHashes,
    private readonly store: UpsertStore,
    private readonly state: ServiceStateStore,
  ) {}

  /**
   * Creates the user with this external id, or changes the given fields, in one transaction. Safe to repeat: the same upsert again changes
   * nothing and revokes nothing. Writes no webhook. Throws 400 `validation_failed` or `password_too_weak`, 403 `forbidden` for an
   * administrator whom the product does not control, 409 `stale_version`, `username_taken`, `external_id_taken` or `last_admin`, 409
   * `password_managed_elsewhere` if `password` is present, also as null, while Tandem asks the product for its users.
   *
   * As long as it asks, it also reads the user from the product before this method returns, and stores no hash that is stated here. Then
   * nothing is valid any more that the product has ended before the call. Throws 503 if the product does not answer.
   */
  async upsert(rawId: string, wanted: UpsertDto, origin: Origin, actorId: string): Promise<Upserted> {
    const externalId = requireExternalId(rawId);
    requireOnePassword(wanted);
    if (wanted.password !== undefined && this.users.passwordsAreManaged)
      throw refuseUser('password_managed_elsewhere');
    const caller = { origin, actorId };
    return this.users.passwordsAreManaged
      ? this.tell(externalId, wanted, caller)
      : this.apply(externalId, wanted, caller);
  }

  /** Reads the user from the product and applies the upsert. A new user without a name must be one of the product's. */
  private async tell(externalId: string, wanted: UpsertDto, caller: Caller): Promise<Upserted> {
    const { password_hash: hash, ...others } = wanted;
    if (hash != null) this.users.requireHash(hash);
    const isKnown = (await this.users.findByExternalId(externalId)) !== undefined;
    if (!isKnown && others.username !== undefined) return this.apply(externalId, others, caller);
    await this.users.renew(externalId);
    if (isKnown) return this.apply(externalId, others, caller);
    const user = await this.users.findByExternalId(externalId);
    if (user === undefined) throw refuseNameless();
    return { created: true, user };
  }

  private async apply(externalId: string, wanted: UpsertDto, { origin, actorId }: Caller): Promise<Upserted> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const found = await this.users.findByExternalId(externalId);
      const user =
        found === undefined
          ? await this.tryCreate(externalId, wanted, { origin, actorId })
          : await this.tryChange(found, wanted, { origin, actorId });
      if (user !== undefined) return { created: found === undefined, user };
    }
    throw unavailable(new Error('other calls keep creating and deleting the user'));
  }

  /** Creates the user. Returns undefined if another call has created the user meanwhile. */
  private async tryCreate(
    externalId: string,
    wanted: UpsertDto,
    { origin, actorId }: Caller,
  ): Promise<User | undefined> {
    const { username, password, password_hash: hash, email, disabled, version } = wanted;
    if (username === undefined) throw refuseNameless();
    const user = {
      username,
      password: password ?? undefined,
      passwordHash: hash ?? undefined,
      externalId,
      role: await this.authority.grant(wanted.role ?? DEFAULT_ROLE, 'upsert'),
      email: email ?? undefined,
      disabled: disabled ?? undefined,
    };
    const remember = (sql: Sql, { id }: User) =>
      this.store.remember(sql, id, { version, hashMacs: hash == null ? null : this.hashes.macsOf(id, hash) });
    try {
      return await this.creations.create(user, origin, actorId, remember);
    } catch (error) {
      // If another call has created the same user, its name is taken as well as its external id.
      const taken = hasCode(error, 'username_taken') || hasCode(error, 'external_id_taken');
      if (taken && (await this.users.findByExternalId(externalId)) !== undefined) return undefined;
      throw error;
    }
  }

  /** Changes the user. Returns undefined if the user was deleted meanwhile. */
  private async tryChange(
    { id }: User,
    wanted: UpsertDto,
    { origin, actorId }: Caller,
  ): Promise<User | undefined> {
    const { username, password, password_hash: hash, email, role, disabled, version } = wanted;
    const floor = hash == null ? undefined : this.users.requireHash(hash);
    const last = await this.store.last(id);
    const isStated = hash != null && this.hashes.isSame(id, hash, last?.hashMacs);
    const clears = password === null || hash === null;
    const change = {
      username,
      email,
      password: password ?? undefined,
      passwordHash: clears ? null : isStated ? undefined : hash,
      role: role === null ? DEFAULT_ROLE : role,
      disabled: disabled === null ? false : disabled,
    };
    const marks: UpsertMarks = { version, hashMacs: this.statedMacs(id, wanted) };
    try {
      return await this.changes.change(id, change, origin, {
        actorId,
        channel: 'upsert',
        before: (sql) => this.requireFresh(sql, id, version),
        alongside: async (sql) => {
          await this.store.remember(sql, id, marks);
          if (floor !== undefined) await this.state.raiseFailureFloor(sql, floor);
        },
      });
    } catch (error) {
      if (hasCode(error, 'not_found')) return undefined;
      throw error;
    }
  }

  /** The MACs to store: over the given hash; null if the upsert changes the password without a hash; undefined if it does not change it. */
  private statedMacs(id: string, { password, password_hash: hash }: UpsertDto): UpsertMarks['hashMacs'] {
    if (hash != null) return this.hashes.macsOf(id, hash);
    return password === undefined && hash === undefined ? undefined : null;
  }

  /** Throws 409 `stale_version` if a later upsert has been applied. */
  private async requireFresh(sql: Sql, id: string, version: number | null | undefined): Promise<void> {
    if (version == null) return;
    const last = await this.store.last(id, sql);
    if (last?.version != null && version < last.version) throw refuseUser('stale_version');
  }
}

function refuseNameless(): Problem {
  const message = 'username is required for a new user';
  return refuse('validation_failed', { errors: [{ field: 'username', message }] });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Problem && error.code === code;
}
