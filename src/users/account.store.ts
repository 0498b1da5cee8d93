import { Injectable } from '@nestjs/common';
import { cursorsOf } from '../common/pagination.js';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import type { Role, User } from './user.entity.js';
import { LOCK_ADMINS, USER_COLUMNS } from './user.store.js';
import { foldCase } from './username.js';

/** The username key of the last row of a page. */
const CURSORS = cursorsOf('accounts', /^[^\s\p{C}]{1,128}$/u);

const PAGE = `
  SELECT ${USER_COLUMNS} FROM users WHERE username_key > $1 ORDER BY username_key LIMIT $2`;

/** Scans in the order of names, so that the scan ends with the page: no index finds a part of a name. */
const FOUND = `
  SELECT ${USER_COLUMNS} FROM users
  WHERE username_key > $1 AND
    (username_key LIKE ANY ($3::text[]) OR lower(email) LIKE ANY ($3) OR lower(external_id) LIKE ANY ($3))
  ORDER BY username_key LIMIT $2`;

const LOCK_USER = `SELECT ${USER_COLUMNS} FROM users WHERE id = $1 FOR NO KEY UPDATE`;

const ANOTHER_ADMIN = `
  SELECT 1 FROM users WHERE role = 'admin' AND disabled_at IS NULL AND id <> $1 LIMIT 1`;

const WRITE = `
  UPDATE users SET role = $2, email = $3, password_hash = $4,
    disabled_at = CASE WHEN $5 THEN coalesce(disabled_at, now()) END
  WHERE id = $1
  RETURNING ${USER_COLUMNS}`;

const BATCH = {
  any: `SELECT id FROM users WHERE id > $1 AND ($3::uuid[] IS NULL OR id = ANY ($3)) ORDER BY id LIMIT $2`,
  // The role is part of the text, so that PostgreSQL can use the partial index of the administrators.
  admin: `
    SELECT id FROM users WHERE role = 'admin' AND id > $1 AND ($3::uuid[] IS NULL OR id = ANY ($3))
    ORDER BY id LIMIT $2`,
  user: `
    SELECT id FROM users WHERE role = 'user' AND id > $1 AND ($3::uuid[] IS NULL OR id = ANY ($3))
    ORDER BY id LIMIT $2`,
};

/** What an administrator can change about a user. */
export interface Account {
  readonly role: Role;
  readonly email: string | null;
  readonly passwordHash: string | null;
  readonly disabled: boolean;
}

/** Selects users by role, by id, or by both. */
export interface UserFilter {
  readonly role?: Role | undefined;
  readonly userIds?: readonly string[] | undefined;
}

export interface AccountPage {
  readonly users: User[];
  readonly next_cursor: string | null;
}

/** The SQL of user administration. */
@Injectable()
export class AccountStore {
  constructor(private readonly database: Database) {}

  /**
   * A page of users in the order of names. With `query`, only users whose name, email or external id contains it, in any letter case.
   * Throws 400 for an invalid cursor.
   */
  async page(limit: number, cursor: string | undefined, query = ''): Promise<AccountPage> {
    const after = cursor === undefined ? '' : CURSORS.read(cursor)[0];
    const values: unknown[] = [after, limit + 1];
    // Names are compared folded, email addresses only in lower case.
    if (query !== '') values.push([contains(foldCase(query)), contains(query.toLowerCase())]);
    const rows = await this.database.query<User & Record<string, unknown>>(
      query === '' ? PAGE : FOUND,
      values,
    );
    const users = rows.slice(0, limit);
    return { users, next_cursor: rows.length > limit ? CURSORS.write(users.at(-1)!.usernameKey) : null };
  }

  /** Until the transaction ends, no one else can remove an administrator. Call it before locking any row. */
  async lockAdmins(sql: Sql): Promise<void> {
    await sql.query(LOCK_ADMINS);
  }

  /** Locks the user's row. Until the transaction ends, no one else changes the user and no family of the user is opened. */
  async hold(sql: Sql, id: string): Promise<User | undefined> {
    return (await sql.query<User & Record<string, unknown>>(LOCK_USER, [id]))[0];
  }

  /** Whether another user is an active administrator. */
  async anotherAdmin(sql: Sql, id: string): Promise<boolean> {
    return (await sql.query(ANOTHER_ADMIN, [id])).length > 0;
  }

  /** Writes the changes and returns the user. The caller holds the row. */
  async write(sql: Sql, id: string, { role, email, passwordHash, disabled }: Account): Promise<User> {
    const rows = await sql.query<User & Record<string, unknown>>(WRITE, [
      id,
      role,
      email,
      passwordHash,
      disabled,
    ]);
    return rows[0]!;
  }

  /** The ids of at most `limit` matching users after the id `after`, in order. */
  async batch(
    { role, userIds }: UserFilter,
    after: string,
    limit: number,
    sql: Sql = this.database,
  ): Promise<string[]> {
    const values = [after, limit, userIds ?? null];
    return (await sql.query<{ id: string }>(BATCH[role ?? 'any'], values)).map(({ id }) => id);
  }
}

/** A LIKE pattern for texts that contain this one, with its wildcards escaped. */
function contains(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}
