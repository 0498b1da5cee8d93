import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { refuse, unavailable } from '../common/common.errors.js';
import { sameSecret } from '../common/crypto/constant-time.js';
import { DEFAULT_ROLE } from '../common/role.js';
import type { Role } from '../common/role.js';
import type { Sql } from '../database/database.js';
import { canonicalExternalId, isUuid, requireExternalId } from './external-id.js';
import { PasswordHasher } from './hashing/password-hasher.js';
import { PasswordPolicy, normalisePassword } from './password-policy.js';
import type { User } from './user.entity.js';
import { UserStore } from './user.store.js';
import type { UserPage } from './user.store.js';
import type { UserDirectory } from './user-directory.js';
import { normaliseUsername } from './username.js';
import type { Username } from './username.js';
import { refuseUser } from './users.errors.js';
import type { Share } from './hashing/work-queue.js';

export type PasswordCheck =
  | { readonly outcome: 'ok'; readonly user: User }
  | {
      readonly outcome: 'refused';
      readonly cause: 'unknown_user' | 'wrong_password' | 'disabled' | 'password_login_off';
    };

/** The key of no user: an invalid name is looked up like any other name. */
const NO_KEY = '';

export interface UserToCreate {
  readonly username: string;
  /** Absent: the user cannot log in with a password. */
  readonly password?: string | undefined;
  /** A hash that is known to be supported, instead of a password. */
  readonly passwordHash?: string | undefined;
  /** The external id as the caller sent it. */
  readonly externalId?: string | undefined;
  readonly role?: Role | undefined;
  readonly email?: string | undefined;
}

/** Finds and creates users and verifies passwords. Takes names and passwords as they were sent. */
@Injectable()
export class UserService {
  private readonly logger = new Logger(UserService.name);
  private directory: UserDirectory | undefined;

  constructor(
    private readonly store: UserStore,
    private readonly hasher: PasswordHasher,
    private readonly policy: PasswordPolicy,
  ) {}

  /** Adds the users whom a product owns. The composition module calls it before the service starts. */
  use(directory: UserDirectory): void {
    this.directory = directory;
  }

  /** Whether a product owns users, so that it cannot set passwords here. */
  get passwordsAreManaged(): boolean {
    return this.directory !== undefined;
  }

  /** Brings a user whom the product owns up to date with what it says now, or creates the user. Throws 503. */
  async renew(externalId: string): Promise<void> {
    await this.directory?.renew(externalId);
  }

  /** Whether a product owns the user's password, so that nobody can set one here. */
  isPasswordManaged(user: Pick<User, 'externalId' | 'role'>): boolean {
    return this.directory?.owns(user) === true;
  }

  find(id: string): Promise<User | undefined> {
    return this.store.findById(id);
  }

  /** A page of users, sorted by name. Throws 400 for an invalid cursor. */
  list(limit: number, cursor: string | undefined): Promise<UserPage> {
    return this.store.list(limit, cursor);
  }

  /** Finds a stored user by name, in any letter case. */
  findByName(username: string): Promise<User | undefined> {
    return this.store.findByKey(normaliseUsername(username)?.key ?? NO_KEY);
  }

  /** Finds a user by an external id as it was sent. A UUID may be in any letter case. */
  findByExternalId(externalId: string, sql?: Sql): Promise<User | undefined> {
    return this.store.findByExternalId(canonicalExternalId(externalId), sql);
  }

  /**
   * Finds the user who logs in with a name as it was sent. Users of Tandem's own come first. The product's users are found by the product
   * alone, because it may have renamed them.
   */
  async lookUp(username: string): Promise<User | undefined> {
    const stored = await this.store.findByKey(normaliseUsername(username)?.key ?? NO_KEY);
    if (this.directory === undefined) return stored;
    return stored === undefined || this.directory.owns(stored) ? this.directory.findByName(username) : stored;
  }

  /**
   * Does the same work whether the user exists, is disabled, or has another password: timing must not reveal it. `found` is the
   * result of {@link lookUp}, for a caller that runs another query at the same time.
   */
  async checkPassword(
    username: string,
    password: string,
    share: Share = 'unknown',
    found = this.lookUp(username),
  ): Promise<PasswordCheck> {
    const user = await found;
    const right = await this.checkPasswordOf(user, password, share);
    if (user === undefined) return { outcome: 'refused', cause: 'unknown_user' };
    if (!right) return { outcome: 'refused', cause: 'wrong_password' };
    if (user.disabledAt !== null) return { outcome: 'refused', cause: 'disabled' };
    return { outcome: 'ok', user };
  }

  /**
   * Whether this is the user's password. If it is, an outdated hash is replaced, in `user` too. The result does not depend on whether
   * that succeeds.
   */
  async checkPasswordOf(
    user: User | undefined,
    password: string,
    share: Share = 'unknown',
  ): Promise<boolean> {
    const given = normalisePassword(password);
    const stored = user?.passwordHash;
    if (user === undefined || stored === null || stored === undefined)
      return this.hasher.verifyNothing(given, share);
    // Other systems hash the text as it was typed, and some keyboards do not write NFC.
    const right =
      (await this.hasher.verify(stored, given, share)) ||
      (!sameSecret(given, password) &&
        this.hasher.needsRehash(stored) &&
        (await this.hasher.verify(stored, password, share)));
    // Not for a disabled user: not even the timing may reveal that the password was right.
    const replaces = user.passwordIsManaged !== true && this.hasher.needsRehash(stored, given);
    if (right && user.disabledAt === null && replaces) {
      await this.rehash(user, stored, given);
    }
    return right;
  }

  /**
   * A user whose external id is a UUID gets it as id too. Throws 400 `validation_failed` or `password_too_weak`, 409 `username_taken` or
   * `external_id_taken`.
   */
  async create(
    { username, password, passwordHash, externalId, role, email }: UserToCreate,
    origin: Origin,
    actorId?: string,
    sql?: Sql,
  ): Promise<User> {
    const name = this.requireUsername(username);
    const known = externalId === undefined ? null : requireExternalId(externalId);
    const hash =
      password === undefined ? passwordHash : await this.hashNew(password, name.display, 'password');
    const user = await this.store.insert(
      {
        id: known !== null && isUuid(known) ? known : randomUUID(),
        username: name.display,
        usernameKey: name.key,
        passwordHash: hash ?? null,
        role: role ?? DEFAULT_ROLE,
        email,
        externalId: known,
      },
      origin,
      actorId,
      sql,
    );
    // A UUID is both ids of its user.
    if (typeof user === 'string') throw refuseUser(user === 'id_taken' ? 'external_id_taken' : user);
    return user;
  }

  /** Normalises a name as it was sent, or throws 400 `validation_failed`. */
  requireUsername(username: string): Username {
    const name = normaliseUsername(username);
    if (name !== undefined) return name;
    const message = 'username must have 1 to 128 visible characters and no white space';
    throw refuse('validation_failed', { errors: [{ field: 'username', message }] });
  }

  /**
   * The shortest time of failed logins, in milliseconds, that a hash of another system needs. Throws 400 `validation_failed` if it has an
   * unknown format or takes too much time or memory to check.
   */
  requireHash(hash: string, field = 'password_hash'): number {
    const appraisal = this.hasher.appraise(hash);
    if (appraisal.outcome === 'known') return appraisal.floor;
    const fault =
      appraisal.outcome === 'too_costly'
        ? 'takes too much time or memory to check'
        : 'has an unknown format or is incomplete';
    throw refuse('validation_failed', { errors: [{ field, message: `${field} ${fault}` }] });
  }

  /** Hashes a new password. Throws 400 `password_too_weak` with `field`. */
  async hashNew(password: string, username: string, field = 'new_password'): Promise<string> {
    const message = this.policy.weakness(password, username);
    if (message !== undefined)
      throw refuseUser('password_too_weak', { detail: message, errors: [{ field, message }] });
    return this.hasher.hash(normalisePassword(password));
  }

  /**
   * Replaces the password hash. Throws 503, so that the transaction is rolled back, if the password has been replaced since `user` was
   * read: the next attempt is checked against the new password.
   */
  async setHash(sql: Sql, user: User, hash: string): Promise<void> {
    if (!(await this.store.replaceHash(user.id, user.passwordHash ?? '', hash, sql)))
      throw unavailable(new Error('the password was replaced in the meantime'));
  }

  private async rehash(user: User, stored: string, given: string): Promise<void> {
    try {
      const renewed = await this.hasher.hash(given);
      if (await this.store.replaceHash(user.id, stored, renewed)) user.passwordHash = renewed;
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to replace an outdated password hash');
    }
  }
}
