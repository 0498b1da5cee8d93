import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';

/** Failures in a row that are free of waits: NIST SP 800-63B-4, section 3.2.2, allows no more than 100. */
export const FREE_FAILURES = 100;

/** Seconds: the wait after the last free failure, which doubles with each further one, and the longest. */
const FIRST_WAIT = 60;
export const LONGEST_WAIT = 3_600;

/** A row is kept for a day for each failure, and for no more days than this. */
const MOST_DAYS = 30;

/** When the next password may be tried after so many failures. */
const retryAt = (failures: string) => `
  CASE WHEN ${failures} < ${FREE_FAILURES} THEN clock_timestamp() ELSE clock_timestamp()
    + least(${LONGEST_WAIT}, ${FIRST_WAIT} * 2 ^ least(30, ${failures} - ${FREE_FAILURES})) * interval '1 second' END`;

const expiresAt = (failures: string) => `now() + least(${MOST_DAYS}, ${failures}) * interval '1 day'`;

/** The row is locked by the first of several simultaneous attempts. The others then see its wait and update nothing. */
const ADMIT = `
  WITH reserved AS (
    UPDATE login_failures SET failures = failures + 1, retry_at = ${retryAt('failures + 1')},
      expires_at = ${expiresAt('failures + 1')}
    WHERE key = $1 AND expires_at > now() AND failures >= ${FREE_FAILURES} AND retry_at <= clock_timestamp()
    RETURNING 1
  )
  SELECT failures, EXISTS (SELECT 1 FROM reserved) AS reserved,
    (extract(epoch FROM retry_at - clock_timestamp()) * 1000)::float8 AS "waitMs"
  FROM login_failures WHERE key = $1 AND expires_at > now()`;

const COUNT = `
  INSERT INTO login_failures AS f (key, failures, retry_at, expires_at) VALUES ($1, 1, now(), ${expiresAt('1')})
  ON CONFLICT (key) DO UPDATE SET (failures, retry_at, expires_at) = (
    SELECT n, ${retryAt('n')}, ${expiresAt('n')}
    FROM (SELECT CASE WHEN f.expires_at > now() THEN least(f.failures, 1000000) + 1 ELSE 1 END AS n) AS counted
  )`;

const TAKE_BACK = `
  UPDATE login_failures SET failures = failures - 1, retry_at = clock_timestamp()
  WHERE key = $1 AND failures > ${FREE_FAILURES}`;

const RESET = `DELETE FROM login_failures WHERE key = $1`;

const REMOVE_EXPIRED = `
  WITH removed AS (
    DELETE FROM login_failures WHERE key IN (
      SELECT key FROM login_failures WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) RETURNING 1
  )
  SELECT count(*)::integer AS count FROM removed`;

/** What is known of a name before a password is checked. */
export interface FailureState {
  readonly failures: number;
  /** The attempt is counted as a failure already, so that no other one is made at the same time. */
  readonly reserved: boolean;
  /** Milliseconds until the next attempt, as the statement found it; negative if it has passed. */
  readonly waitMs: number;
}

/** All SQL of the failed logins in a row, for all nodes together and by the database's clock. */
@Injectable()
export class LoginFailureStore {
  constructor(private readonly database: Database) {}

  /** Undefined if there were no failures. After the free ones, one attempt is reserved if the wait is over. */
  async admit(key: Buffer): Promise<FailureState | undefined> {
    return (await this.database.query<FailureState & Record<string, unknown>>(ADMIT, [key]))[0];
  }

  /** Counts a failure that was not reserved. */
  async count(key: Buffer): Promise<void> {
    await this.database.query(COUNT, [key]);
  }

  /** Takes a reserved failure back: no password was checked. */
  async takeBack(key: Buffer): Promise<void> {
    await this.database.query(TAKE_BACK, [key]);
  }

  async reset(key: Buffer): Promise<void> {
    await this.database.query(RESET, [key]);
  }

  /** Removes up to `batch` rows that count no more and says how many. */
  async removeExpired(batch: number): Promise<number> {
    const [row] = await this.database.query<{ count: number }>(REMOVE_EXPIRED, [batch]);
    return row!.count;
  }
}
