import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { cursorsOf } from '../common/pagination.js';
import { lockForTransaction } from '../database/advisory-locks.js';
import { batched } from '../database/batched.js';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import { violatedUnique } from '../database/database.errors.js';
import type { Role, User } from './user.entity.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The username key of the last row of a page. */
const CURSORS = cursorsOf('users', /^[^\s\p{C}]{1,128}$/u);

/** All columns of a {@link User}. */
export const USER_COLUMNS = `
  id, username, username_key AS "usernameKey", password_hash AS "passwordHash", role, email,
  external_id AS "externalId", epoch, disabled_at AS "disabledAt", created_at AS "createdAt"`;

const BY_KEY = `SELECT ${USER_COLUMNS} FROM users WHERE username_key = $1`;
const BY_IDS = `SELECT ${USER_COLUMNS} FROM users WHERE id = ANY ($1::uuid[])`;

const INSERT = `
  WITH made AS (
    INSERT INTO users (id, username, username_key, password_hash, role, email)
    VALUES ($1, $2, $3, $4, $5, $6) RETURNING *
  ), audited AS (
    INSERT INTO audit_events (event, cause, user_id, actor_id, ip, user_agent, request_id)
    SELECT 'user', 'created', id, $7::uuid, $8, $9, $10 FROM made
  )
  SELECT ${USER_COLUMNS} FROM made`;

const REPLACE_HASH = `UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING id`;

const LIST = `
  SELECT id, username, role, username_key FROM users
  WHERE username_key > $1 ORDER BY username_key LIMIT $2`;

const ADMIN_EXISTS = `SELECT 1 FROM users WHERE role = 'admin' AND disabled_at IS NULL LIMIT 1`;
const ANY = `SELECT 1 FROM users LIMIT 1`;

/** Only one caller at a time creates the first users or removes an administrator. */
export const LOCK_ADMINS = lockForTransaction('admins');

export interface NewUser {
  readonly id: string;
  readonly username: string;
  readonly usernameKey: string;
  readonly passwordHash: string;
  readonly role: Role;
  readonly email?: string | undefined;
}

/** What every user may see of another user. */
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

  constructor(private readonly database: Database) {}

  async findByKey(usernameKey: string): Promise<User | undefined> {
    return (await this.database.query<User & Record<string, unknown>>(BY_KEY, [usernameKey]))[0];
  }

  async findById(id: string): Promise<User | undefined> {
    return UUID.test(id) ? this.byId(id.toLowerCase()) : undefined;
  }

  /** Creates the user and writes the audit event in one statement. */
  async insert(
    user: NewUser,
    origin: Origin,
    actorId?: string,
    sql: Sql = this.database,
  ): Promise<User | 'username_taken'> {
    const { id, username, usernameKey, passwordHash, role, email } = user;
    const { ip, userAgent, requestId } = origin;
    const values = [id, username, usernameKey, passwordHash, role, email ?? null, actorId ?? null];
    try {
      return (
        await sql.query<User & Record<string, unknown>>(INSERT, [...values, ip, userAgent, requestId])
      )[0]!;
    } catch (error) {
      if (violatedUnique(error) === 'users_username_key_unique') return 'username_taken';
      throw error;
    }
  }

  /** False, and nothing is written, if the password has been replaced in the meantime. */
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
    return (await sql.query(ADMIN_EXISTS)).length > 0;
  }

  async anyExists(sql: Sql = this.database): Promise<boolean> {
    return (await sql.query(ANY)).length > 0;
  }
}
