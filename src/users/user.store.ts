import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { cursorsOf } from '../common/http/pagination.js';
import { lockForTransaction } from '../database/advisory-locks.js';
import { batched } from '../database/batched.js';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import { violatedUnique } from '../database/database.errors.js';
import { isUuid } from './external-id.js';
import type { Role } from '../common/role.js';
import { AdminRole } from './admin-role.js';
import type { User } from './user.entity.js';

/** The username key of the last row of a page. */
const CURSORS = cursorsOf('users', /^[^\s\p{C}]{1,128}$/u);

/** All columns of a {@link User}. */
export const USER_COLUMNS = `
  id, username, username_key AS "usernameKey", password_hash AS "passwordHash", role, email,
  external_id AS "externalId", epoch, disabled_at AS "disabledAt", created_at AS "createdAt"`;

const BY_KEY = `SELECT ${USER_COLUMNS} FROM users WHERE username_key = $1`;
const BY_EXTERNAL_ID = `SELECT ${USER_COLUMNS} FROM users WHERE external_id = $1`;
const BY_IDS = `SELECT ${USER_COLUMNS} FROM users WHERE id = ANY ($1::uuid[])`;

const INSERT = `
  WITH made AS (
    INSERT INTO users (id, username, username_key, password_hash, role, email, external_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *
  ), audited AS (
    INSERT INTO audit_events (event, cause, user_id, actor_id, ip, user_agent, request_id)
    SELECT 'user', 'created', id, $8::uuid, $9, $10, $11 FROM made
  )
  SELECT ${USER_COLUMNS} FROM made`;

const REPLACE_HASH = `UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING id`;

const LIST = `
  SELECT id, username, role, username_key FROM users
  WHERE username_key > $1 ORDER BY username_key LIMIT $2`;

const ADMIN_EXISTS = `
  SELECT 1 FROM users WHERE ${hasRole('$1')} AND disabled_at IS NULL LIMIT 1`;
const ANY = `SELECT 1 FROM users LIMIT 1`;

/** SQL for users with a role other than `user`, in the form that the partial index `users_roles_idx` serves. */
export function hasRole(parameter: string): string {
  return `role = ${parameter}::text AND role <> 'user'`;
}

/** Only one caller at a time creates the first users or removes an administrator. */
export const LOCK_ADMINS = lockForTransaction('admins');

export interface NewUser {
  readonly id: string;
  readonly username: string;
  readonly usernameKey: string;
  /** The password hash. If it is null, the user cannot log in with a password. */
  readonly passwordHash: string | null;
  readonly role: Role;
  readonly email?: string | undefined;
  /** Normalised, and fit for the id. */
  readonly externalId?: string | null | undefined;
}

/** Another user has this name or external id. */
export type TakenError = 'username_taken' | 'external_id_taken' | 'id_taken';

const TAKEN: Readonly<Record<string, TakenError>> = {
  users_username_key_unique: 'username_taken',
  users_external_id_unique: 'external_id_taken',
  users_pkey: 'id_taken',
};

/** The field whose value another user has, if the error of a write says so. */
export function takenBy(error: unknown): TakenError | undefined {
  const constraint = violatedUnique(error);
  return constraint === undefined ? undefined : TAKEN[constraint];
}

/** The fields of a user that every other user may see. */
export interface UserView {
  readonly id: string;
  readonly username: string;
  readonly role: Role;
}

export interface UserPage {
  readonly users: UserView[];
  readonly next_cursor: string | null;
}

/** The SQL of the users. */
@Injectable()
export class UserStore {
  private readonly byId = batched(
    (ids: readonly string[]) => this.database.query<User & Record<string, unknown>>(BY_IDS, [ids]),
    { request: (id) => id, row: ({ id }) => id },
  );

  constructor(
    private readonly database: Database,
    private readonly adminRole: AdminRole,
  ) {}

  async findByKey(usernameKey: string): Promise<User | undefined> {
    return (await this.database.query<User & Record<string, unknown>>(BY_KEY, [usernameKey]))[0];
  }

  /** The user with exactly this external id. A UUID must be in lower case. */
  async findByExternalId(externalId: string, sql: Sql = this.database): Promise<User | undefined> {
    return (await sql.query<User & Record<string, unknown>>(BY_EXTERNAL_ID, [externalId]))[0];
  }

  async findById(id: string): Promise<User | undefined> {
    return isUuid(id) ? this.byId(id.toLowerCase()) : undefined;
  }

  /** Creates the user and writes the audit event in one statement. */
  async insert(
    user: NewUser,
    origin: Origin,
    actorId?: string,
    sql: Sql = this.database,
  ): Promise<User | TakenError> {
    const { id, username, usernameKey, passwordHash, role, email, externalId } = user;
    const { ip, userAgent, requestId } = origin;
    const account = [id, username, usernameKey, passwordHash, role, email ?? null, externalId ?? null];
    const values = [...account, actorId ?? null, ip, userAgent, requestId];
    try {
      return (await sql.query<User & Record<string, unknown>>(INSERT, values))[0]!;
    } catch (error) {
      const taken = takenBy(error);
      if (taken === undefined) throw error;
      return taken;
    }
  }

  /** Replaces the password hash. If the password has been changed meanwhile, writes nothing and returns false. */
  async replaceHash(id: string, from: string, to: string, sql: Sql = this.database): Promise<boolean> {
    return (await sql.query(REPLACE_HASH, [id, from, to])).length > 0;
  }

  /** A page of users in the order of names. Throws 400 for an invalid cursor. */
  async list(limit: number, cursor: string | undefined): Promise<UserPage> {
    // No key is empty, so this is before the first one.
    const after = cursor === undefined ? '' : CURSORS.read(cursor)[0];
    const rows = await this.database.query<UserView & { username_key: string }>(LIST, [after, limit + 1]);
    const page = rows.slice(0, limit);
    return {
      users: page.map(({ id, username, role }) => ({ id, username, role })),
      next_cursor: rows.length > limit ? CURSORS.write(page.at(-1)!.username_key) : null,
    };
  }

  /** Runs `work` in a transaction while no other node runs it, so that each first user is created only once. */
  async withLock(work: (sql: Sql) => Promise<void>): Promise<void> {
    await this.database.transaction(async (sql) => {
      await sql.query(LOCK_ADMINS);
      await work(sql);
    });
  }

  async adminExists(sql: Sql = this.database): Promise<boolean> {
    return (await sql.query(ADMIN_EXISTS, [this.adminRole.name])).length > 0;
  }

  async anyExists(sql: Sql = this.database): Promise<boolean> {
    return (await sql.query(ANY)).length > 0;
  }
}
