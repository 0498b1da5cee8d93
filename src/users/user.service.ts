import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { refuse } from '../common/common.errors.js';
import type { Sql } from '../database/database.js';
import { PasswordHasher } from './password-hasher.js';
import { PasswordPolicy, normalisePassword } from './password-policy.js';
import type { Role, User } from './user.entity.js';
import { UserStore } from './user.store.js';
import { normaliseUsername } from './username.js';
import { refuseUser } from './users.errors.js';

export type PasswordCheck =
  | { readonly outcome: 'ok'; readonly user: User }
  | { readonly outcome: 'refused'; readonly cause: 'unknown_user' | 'wrong_password' | 'disabled' };

export interface UserToCreate {
  readonly username: string;
  readonly password: string;
  readonly role?: Role | undefined;
  readonly email?: string | undefined;
}

@Injectable()
export class UserService {
  constructor(
    private readonly store: UserStore,
    private readonly hasher: PasswordHasher,
    private readonly policy: PasswordPolicy,
  ) {}

  find(id: string): Promise<User | undefined> {
    return this.store.findById(id);
  }

  /** Does the same work whether the user exists, is disabled, or has another password: time must not tell. */
  async checkPassword(username: string, password: string): Promise<PasswordCheck> {
    const name = normaliseUsername(username);
    const user = name === undefined ? undefined : await this.store.findByKey(name.key);
    const right = await this.checkPasswordOf(user, password);
    if (user === undefined) return { outcome: 'refused', cause: 'unknown_user' };
    if (!right) return { outcome: 'refused', cause: 'wrong_password' };
    if (user.disabledAt !== null) return { outcome: 'refused', cause: 'disabled' };
    return { outcome: 'ok', user };
  }

  /** Whether it is the user's password; if so, a hash of an outdated kind is replaced. */
  async checkPasswordOf(user: User | undefined, password: string): Promise<boolean> {
    const given = normalisePassword(password);
    const stored = user?.passwordHash;
    if (user === undefined || stored === null || stored === undefined)
      return this.hasher.verifyNothing(given);
    const right = await this.hasher.verify(stored, given);
    if (right && this.hasher.needsRehash(stored)) {
      await this.store.replaceHash(user.id, stored, await this.hasher.hash(given));
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
      const message = 'username must be letters, digits or signs without white space';
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

  /** The hash of a password that is being set. Throws 400 `password_too_weak`, naming `field`. */
  async hashNew(password: string, username: string, field = 'new_password'): Promise<string> {
    const message = this.policy.weakness(password, username);
    if (message !== undefined)
      throw refuseUser('password_too_weak', { detail: message, errors: [{ field, message }] });
    return this.hasher.hash(normalisePassword(password));
  }

  /** Throws, for the transaction to be rolled back, if the password has been replaced since `user` was read. */
  async setHash(sql: Sql, user: User, hash: string): Promise<void> {
    if (!(await this.store.replaceHash(user.id, user.passwordHash ?? '', hash, sql)))
      throw new PasswordReplaced();
  }
}

/** Somebody else has set another password meanwhile. */
export class PasswordReplaced extends Error {}
