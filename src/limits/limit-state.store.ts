import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import { NOW } from './admission.sql.js';
import type { LimitLog } from './quota.js';

/** The consecutive failed logins of an account. */
export interface StoredFailures {
  readonly failures: number;
  /** No password is checked before this time. */
  readonly retryAt: Date;
  readonly isWaiting: boolean;
}

const READ = `
  SELECT encode(key, 'hex') AS key, ends::float8[] AS ends, hits, ${NOW}::float8 AS now
  FROM rate_limits WHERE key = ANY ($1::bytea[])`;

const REMOVE = `DELETE FROM rate_limits WHERE key = ANY ($1::bytea[])`;

const READ_FAILURES = `
  SELECT failures, retry_at AS "retryAt", retry_at > clock_timestamp() AS "isWaiting"
  FROM login_failures WHERE key = $1 AND expires_at > now()`;

const REMOVE_FAILURES = `DELETE FROM login_failures WHERE key = ANY ($1::bytea[])`;

/** Reads and removes what limits have counted, for administrators. */
@Injectable()
export class LimitStateStore {
  constructor(private readonly database: Database) {}

  /** The logs of these keys (in hex), by key. */
  async logs(keys: readonly string[]): Promise<ReadonlyMap<string, LimitLog>> {
    const rows = await this.database.query<LimitLog & { key: string }>(READ, [keys.map(bytes)]);
    return new Map(rows.map(({ key, ...log }) => [key, log]));
  }

  async failures(key: Buffer): Promise<StoredFailures | undefined> {
    return (await this.database.query<StoredFailures & Record<string, unknown>>(READ_FAILURES, [key]))[0];
  }

  /** Forgets the calls of these keys (in hex), and the failures of these accounts. */
  async remove(sql: Sql, keys: readonly string[], failures: readonly Buffer[]): Promise<void> {
    await sql.query(REMOVE, [keys.map(bytes)]);
    await sql.query(REMOVE_FAILURES, [failures]);
  }
}

function bytes(key: string): Buffer {
  return Buffer.from(key, 'hex');
}
