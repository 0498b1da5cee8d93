import { Injectable } from '@nestjs/common';
import type { Macs } from '../../common/crypto/row-macs.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import type { User } from '../../users/user.entity.js';
import { USER_COLUMNS } from '../../users/user.store.js';

const FIND = `
  SELECT u.*, s.user_id IS NOT NULL AS seen, s.password_macs AS "passwordMacs", s.password_changed_at AS "passwordChangedAt",
    s.username AS "sourceUsername", s.ended
  FROM (SELECT ${USER_COLUMNS} FROM users WHERE external_id = $1) u LEFT JOIN source_users s ON s.user_id = u.id`;

const LOCK = `SELECT id FROM users WHERE external_id = $1 FOR NO KEY UPDATE`;

const OWNER = `
  SELECT u.external_id AS "externalId", u.role FROM refresh_tokens t JOIN users u ON u.id = t.user_id WHERE t.id = $1`;

const IS_LOCAL = `SELECT 1 FROM users WHERE id = $1 AND external_id IS DISTINCT FROM $1::text`;

const CREATE = `
  INSERT INTO users (id, username, username_key, role, email, external_id, disabled_at)
  VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN now() END)
  ON CONFLICT DO NOTHING RETURNING id`;

const WRITE = `
  UPDATE users SET role = $2, email = $3, password_hash = $4,
    disabled_at = CASE WHEN $5 THEN coalesce(disabled_at, now()) END
  WHERE id = $1`;

const RENAME = `
  UPDATE users SET username = $2, username_key = $3
  WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM users other WHERE other.username_key = $3 AND other.id <> $1)
  RETURNING id`;

const KEEP = `
  INSERT INTO source_users (user_id, password_macs, password_changed_at, username, ended) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (user_id) DO UPDATE SET password_macs = excluded.password_macs,
    password_changed_at = excluded.password_changed_at, username = excluded.username, ended = excluded.ended`;

const KNOWN_IDS = `
  SELECT external_id AS id FROM users WHERE external_id IS NOT NULL AND external_id > $1 ORDER BY external_id LIMIT $2`;

/** What the users source last said about a user. */
export interface SourceMemory {
  readonly passwordMacs: Macs | null;
  readonly passwordChangedAt: string | null;
  readonly sourceUsername: string | null;
  readonly ended: 'missing' | 'disabled' | null;
}

/** A user with an external id, and what the source last said. `seen`: it has said something before. */
export type KnownUser = User & SourceMemory & { readonly seen: boolean };

/** A user to be created for a row of the source. */
export interface UserOfSource {
  readonly id: string;
  readonly username: string;
  readonly usernameKey: string;
  readonly role: string;
  readonly email: string | null;
  readonly externalId: string;
  readonly disabled: boolean;
}

/** The owner of a token family. */
export type Owner = Pick<User, 'externalId' | 'role'>;

/** The SQL of users whom the product owns. */
@Injectable()
export class SourceUserStore {
  constructor(private readonly database: Database) {}

  async find(externalId: string, sql: Sql = this.database): Promise<KnownUser | undefined> {
    return (await sql.query<KnownUser & Record<string, unknown>>(FIND, [externalId]))[0];
  }

  /** Locks the user's row first, so that the result is what the last writer left. */
  async lock(sql: Sql, externalId: string): Promise<KnownUser | undefined> {
    await sql.query(LOCK, [externalId]);
    return this.find(externalId, sql);
  }

  async ownerOf(sid: string): Promise<Owner | undefined> {
    return (await this.database.query<Owner & Record<string, unknown>>(OWNER, [sid]))[0];
  }

  /** Whether a user who has this id has another external id, or none. */
  async isOtherUser(id: string): Promise<boolean> {
    return (await this.database.query(IS_LOCAL, [id])).length > 0;
  }

  /** False, and nothing written, if the id, the name or the external id is taken. */
  async create(sql: Sql, user: UserOfSource): Promise<boolean> {
    const { id, username, usernameKey, role, email, externalId, disabled } = user;
    const values = [id, username, usernameKey, role, email, externalId, disabled];
    return (await sql.query(CREATE, values)).length > 0;
  }

  /** The caller holds the row. */
  async write(
    sql: Sql,
    id: string,
    {
      role,
      email,
      passwordHash,
      disabled,
    }: Pick<User, 'role' | 'email' | 'passwordHash'> & { disabled: boolean },
  ): Promise<void> {
    await sql.query(WRITE, [id, role, email, passwordHash, disabled]);
  }

  /** False if somebody else has the name. */
  async rename(sql: Sql, id: string, display: string, key: string): Promise<boolean> {
    return (await sql.query(RENAME, [id, display, key])).length > 0;
  }

  async keep(sql: Sql, id: string, memory: SourceMemory): Promise<void> {
    const { passwordMacs, passwordChangedAt, sourceUsername, ended } = memory;
    const macs = passwordMacs === null ? null : JSON.stringify(passwordMacs);
    await sql.query(KEEP, [id, macs, passwordChangedAt, sourceUsername, ended]);
  }

  /** The external ids after `after`, in order. */
  async knownIds(after: string, limit: number): Promise<string[]> {
    return (await this.database.query<{ id: string }>(KNOWN_IDS, [after, limit])).map(({ id }) => id);
  }
}
