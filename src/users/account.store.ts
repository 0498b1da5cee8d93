import { Injectable } from '@nestjs/common';
import { cursorsOf } from '../common/http/pagination.js';
import { DEFAULT_ROLE } from '../common/role.js';
import type { Role } from '../common/role.js';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import { AdminRole } from './admin-role.js';
import type { User } from './user.entity.js';
import { LOCK_ADMINS, USER_COLUMNS, hasRole, takenBy } from './user.store.js';
import type { TakenError } from './user.store.js';
import { foldCase } from './username.js';

/** The username key of the last row of a page. */
const CURSORS = cursorsOf('accounts', /^[^\s\p{C}]{1,128}$/u);

/** Scans in the order of names, so that the scan ends with the page: no index finds a part of a name. */
const containing = (patterns: string) =>
  `(username_key LIKE ANY (${patterns}::text[]) OR lower(email) LIKE ANY (${patterns}) OR lower(external_id) LIKE ANY (${patterns}))`;

const LOCK_USER = `SELECT ${USER_COLUMNS} FROM users WHERE id = $1 FOR NO KEY UPDATE`;

const ANOTHER_ADMIN = `
  SELECT 1 FROM users WHERE ${hasRole('$2')} AND disabled_at IS NULL AND id <> $1 LIMIT 1`;

const WRITE = `
  UPDATE users SET role = $2, email = $3, password_hash = $4, external_id = $6, username = $7, username_key = $8,
    disabled_at = CASE WHEN $5 THEN coalesce(disabled_at, now()) END
  WHERE id = $1
  RETURNING ${USER_COLUMNS}`;

const DISABLE = `UPDATE users SET disabled_at = coalesce(disabled_at, now()) WHERE id = $1 RETURNING ${USER_COLUMNS}`;

const RAISE_EPOCH = `UPDATE users SET epoch = $2 WHERE id = $1 AND epoch < $2`;

const REMOVE = `DELETE FROM users WHERE id = $1`;

const batchOf = (condition: string) => `
  SELECT id FROM users WHERE ${condition} AND id > $1 AND ($3::uuid[] IS NULL OR id = ANY ($3)) ORDER BY id LIMIT $2`;

const BATCH = {
  any: batchOf('$4::text IS NULL'),
  user: batchOf(`role = $4::text AND role = 'user'`),
  other: batchOf(hasRole('$4')),
} as const;

const WITH_ROLE = `
  SELECT id, username, disabled_at IS NOT NULL AS disabled FROM users WHERE ${hasRole('$1')} ORDER BY username_key`;

/** What an administrator can change about a user. */
export interface Account {
  readonly role: Role;
  readonly email: string | null;
  readonly passwordHash: string | null;
  readonly disabled: boolean;
  readonly externalId: string | null;
  readonly username: string;
  readonly usernameKey: string;
}

/** A user as the command that changes ADMIN_ROLE lists them. */
export interface RoleHolder {
  readonly id: string;
  readonly username: string;
  readonly disabled: boolean;
}

/** Selects users by role, by id, or by both. */
export interface UserFilter {
  readonly role?: Role | undefined;
  readonly userIds?: readonly string[] | undefined;
}

export interface AccountFilter {
  /** Part of the name, email address or external id, in any letter case. */
  readonly query?: string | undefined;
  /** Exactly this external id. */
  readonly externalId?: string | undefined;
  readonly role?: Role | undefined;
  readonly disabled?: boolean | undefined;
}

export interface AccountPage {
  readonly users: User[];
  readonly next_cursor: string | null;
}

/** The SQL of user administration. */
@Injectable()
export class AccountStore {
  constructor(
    private readonly database: Database,
    private readonly adminRole: AdminRole,
  ) {}

  /**
   * A page of users in the order of names. With `query`, only users whose name, email or external id contains it, in any letter case.
   * Throws 400 for an invalid cursor.
   */
  async page(
    limit: number,
    cursor: string | undefined,
    { query = '', externalId, role, disabled }: AccountFilter = {},
  ): Promise<AccountPage> {
    const after = cursor === undefined ? '' : CURSORS.read(cursor)[0];
    const values: unknown[] = [after, limit + 1];
    const next = (value: unknown) => `$${values.push(value)}`;
    const conditions = ['username_key > $1'];
    // Names are compared folded, email addresses only in lower case.
    if (query !== '')
      conditions.push(containing(next([contains(foldCase(query)), contains(query.toLowerCase())])));
    if (externalId !== undefined) conditions.push(`external_id = ${next(externalId)}`);
    if (role === DEFAULT_ROLE) conditions.push(`role = '${DEFAULT_ROLE}'`);
    else if (role !== undefined) conditions.push(hasRole(next(role)));
    if (disabled !== undefined) conditions.push(`disabled_at IS ${disabled ? 'NOT ' : ''}NULL`);
    // Planned for its values: an index serves a rare role, the order of names a common one.
    const rows = await this.database.queryUnprepared<User & Record<string, unknown>>(
      `SELECT ${USER_COLUMNS} FROM users WHERE ${conditions.join(' AND ')} ORDER BY username_key LIMIT $2`,
      values,
    );
    const users = rows.slice(0, limit);
    return { users, next_cursor: rows.length > limit ? CURSORS.write(users.at(-1)!.usernameKey) : null };
  }

  /** Keeps everybody else from removing an administrator until the transaction ends. Call it before locking any row. */
  async lockAdmins(sql: Sql): Promise<void> {
    await sql.query(LOCK_ADMINS);
  }

  /** Locks the user's row. Until the transaction ends, no one else changes the user and no family of the user is opened. */
  async hold(sql: Sql, id: string): Promise<User | undefined> {
    return (await sql.query<User & Record<string, unknown>>(LOCK_USER, [id]))[0];
  }

  /** Whether another user is an active administrator. */
  async anotherAdmin(sql: Sql, id: string): Promise<boolean> {
    return (await sql.query(ANOTHER_ADMIN, [id, this.adminRole.name])).length > 0;
  }

  /** Writes the changes and returns the user, or what another user has already: then the transaction must end. The caller holds the row. */
  async write(sql: Sql, id: string, account: Account): Promise<User | TakenError> {
    const { role, email, passwordHash, disabled, externalId, username, usernameKey } = account;
    const values = [id, role, email, passwordHash, disabled, externalId, username, usernameKey];
    try {
      return (await sql.query<User & Record<string, unknown>>(WRITE, values))[0]!;
    } catch (error) {
      const taken = takenBy(error);
      if (taken === undefined) throw error;
      return taken;
    }
  }

  /** The users with the role, which is not {@link DEFAULT_ROLE}, in the order of names. */
  withRole(role: Role, sql: Sql = this.database): Promise<RoleHolder[]> {
    return sql.query<RoleHolder & Record<string, unknown>>(WITH_ROLE, [role]);
  }

  async disable(sql: Sql, id: string): Promise<User> {
    return (await sql.query<User & Record<string, unknown>>(DISABLE, [id]))[0]!;
  }

  /** Raises the epoch of the user. Never lowers it. */
  async raiseEpoch(sql: Sql, id: string, epoch: number): Promise<void> {
    await sql.query(RAISE_EPOCH, [id, epoch]);
  }

  /** Deletes the user with all families. The caller holds the row. */
  async remove(sql: Sql, id: string): Promise<void> {
    await sql.query(REMOVE, [id]);
  }

  /** The ids of at most `limit` matching users after the id `after`, in order. */
  async batch(
    { role, userIds }: UserFilter,
    after: string,
    limit: number,
    sql: Sql = this.database,
  ): Promise<string[]> {
    const kind = role === undefined ? 'any' : role === DEFAULT_ROLE ? 'user' : 'other';
    const values = [after, limit, userIds ?? null, role ?? null];
    return (await sql.query<{ id: string }>(BATCH[kind], values)).map(({ id }) => id);
  }
}

/** A LIKE pattern for texts that contain this one, with its wildcards escaped. */
function contains(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}
