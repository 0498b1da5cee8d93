import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';

/** What the last upsert of a user said. */
export interface LastUpsert {
  /** Null if no upsert had a version. */
  readonly version: number | null;
  /** MACs over the password hash of the last upsert that had one; null after an upsert that set or cleared the password otherwise. */
  readonly hashMacs: unknown;
}

/** What an upsert says. */
export interface Statement {
  /** Null and undefined: the stored version stays. */
  readonly version?: number | null | undefined;
  /** Null clears them. Undefined: they stay. */
  readonly hashMacs?: object | null | undefined;
}

const LAST = `SELECT upsert_version::float8 AS version, upsert_hash_macs AS "hashMacs" FROM users WHERE id = $1`;

const REMEMBER = `
  UPDATE users SET upsert_version = coalesce($2, upsert_version),
    upsert_hash_macs = CASE WHEN $4 THEN $3::jsonb ELSE upsert_hash_macs END
  WHERE id = $1`;

/** The SQL of what the product said last about a user. */
@Injectable()
export class UpsertStore {
  constructor(private readonly database: Database) {}

  /** Undefined for an unknown user. */
  async last(userId: string, sql: Sql = this.database): Promise<LastUpsert | undefined> {
    return (await sql.query<LastUpsert & Record<string, unknown>>(LAST, [userId]))[0];
  }

  /** The caller holds the user's row. */
  async remember(sql: Sql, userId: string, { version, hashMacs }: Statement): Promise<void> {
    const macs = hashMacs == null ? null : JSON.stringify(hashMacs);
    await sql.query(REMEMBER, [userId, version ?? null, macs, hashMacs !== undefined]);
  }
}
