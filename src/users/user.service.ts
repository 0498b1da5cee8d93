import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { refuse, unavailable } from '../common/common.errors.js';
import { sameSecret } from '../common/constant-time.js';
import type { Sql } from '../database/database.js';
import { PasswordHasher } from './hashing/password-hasher.js';
import { PasswordPolicy, normalisePassword } from './password-policy.js';
import type { Role, User } from './user.entity.js';
import { UserStore } from './user.store.js';
import type { UserPage } from './user.store.js';
import { normaliseUsername } from './username.js';
import { refuseUser } from './users.errors.js';
import type { Share } from './hashing/work-queue.js';

export type PasswordCheck =
  | { readonly outcome: 'ok'; readonly user: User }
  | { readonly outcome: 'refused'; readonly cause: 'unknown_user' | 'wrong_password' | 'disabled' };

/** The key of no user: an invalid name is looked up like any other name. */
const NO_KEY = '';

export interface UserToCreate {
  readonly username: string;
  readonly password: string;
  readonly role?: Role | undefined;
  readonly email?: string | undefined;
}

/** Finds and creates users and verifies passwords. Takes names and passwords as they were sent. */
@Injectable()
export class UserService {
  private readonly logger = new Logger(UserService.name);

  constructor(
    private readonly store: UserStore,
    private readonly hasher: PasswordHasher,
    private readonly policy: PasswordPolicy,
  ) {}

  find(id: string): Promise<User | undefined> {
    return this.store.findById(id);
  }

  /** A page of users, sorted by name. Throws 400 for an invalid cursor. */
  list(limit: number, cursor: string | undefined): Promise<UserPage> {
    return this.store.list(limit, cursor);
  }

  /** Finds a user by a name as it was sent. */
  lookUp(username: string): Promise<User | undefined> {
    return this.store.findByKey(normaliseUsername(username)?.key ?? NO_KEY);
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
    if (right && user.disabledAt === null && this.hasher.needsRehash(stored, given)) {
      await this.rehash(user, stored, given);
    }
    return right;
  }

  /** Throws 400 `validation_failed` or `password_too_weak`, 409 `username_taken`. */
  async create(
    { username, password, role, email }: UserToCreate,
    origin: Origin,
    actorId?: string,
  ): Promise<User> {
    const name = normaliseUsername(username);
    if (name === undefined) {
      const message = 'username must have 1 to 128 visible characters and no white space';
      throw refuse('validation_failed', { errors: [{ field: 'username', message }] });
    }
    const passwordHash = await this.hashNew(password, name.display, 'password');
    const user = await this.store.insert(
      {
        id: randomUUID(),
        username: name.display,
        usernameKey: name.key,
        passwordHash,
        role: role ?? 'user',
        email,
      },
      origin,
      actorId,
    );
    if (user === 'username_taken') throw refuseUser('username_taken');
    return user;
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
