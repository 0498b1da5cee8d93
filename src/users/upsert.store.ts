import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';

/** The version and the hash MACs that the last upserts of a user left. */
export interface LastUpsert {
  /** The highest version of the upserts; null if none had one. */
  readonly version: number | null;
  /** The MACs over the password hash of the last upsert that had one; null if a later change of the password came without a hash. */
  readonly hashMacs: unknown;
}

/** The version and the hash MACs that an upsert leaves. */
export interface UpsertMarks {
  /** The new version. If it is null or undefined, the stored version is kept. */
  readonly version?: number | null | undefined;
  /** The new MACs. Null removes the stored ones; undefined keeps them. */
  readonly hashMacs?: object | null | undefined;
}

const LAST = `SELECT upsert_version::float8 AS version, upsert_hash_macs AS "hashMacs" FROM users WHERE id = $1`;

const REMEMBER = `
  UPDATE users SET upsert_version = coalesce($2, upsert_version),
    upsert_hash_macs = CASE WHEN $4 THEN $3::jsonb ELSE upsert_hash_macs END
  WHERE id = $1`;

/** Stores the version and the hash MACs of the last upsert of each user. */
@Injectable()
export class UpsertStore {
  constructor(private readonly database: Database) {}

  /** Returns what the last upsert left; undefined for an unknown user. */
  async last(userId: string, sql: Sql = this.database): Promise<LastUpsert | undefined> {
    return (await sql.query<LastUpsert & Record<string, unknown>>(LAST, [userId]))[0];
  }

  /** Stores what an upsert leaves. The caller must hold a row lock on the user. */
  async remember(sql: Sql, userId: string, { version, hashMacs }: UpsertMarks): Promise<void> {
    const macs = hashMacs == null ? null : JSON.stringify(hashMacs);
    await sql.query(REMEMBER, [userId, version ?? null, macs, hashMacs !== undefined]);
  }
}
