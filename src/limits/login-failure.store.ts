import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { removeExpiredFrom } from './expired-rows.sql.js';

/** Consecutive failures without a wait: NIST SP 800-63B-4, section 3.2.2, allows at most 100. */
export const FREE_FAILURES = 100;

/** The wait after the last free failure, in seconds. It doubles with each further failure, up to the longest wait. */
const FIRST_WAIT = 60;
export const LONGEST_WAIT = 3_600;

/** A row is kept for one day per failure, up to this many days. */
const MOST_DAYS = 30;

/** Milliseconds to wait after so many failures; 0 if they are free. */
export function waitAfter(failures: number): number {
  if (failures < FREE_FAILURES) return 0;
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(30, failures - FREE_FAILURES)) * 1_000;
}

/** SQL for the time of the next attempt, by the number of failures. */
const retryAt = (failures: string) => `
  CASE WHEN ${failures} < ${FREE_FAILURES} THEN clock_timestamp() ELSE clock_timestamp()
    + least(${LONGEST_WAIT}, ${FIRST_WAIT} * 2 ^ least(30, ${failures} - ${FREE_FAILURES})) * interval '1 second' END`;

const expiresAt = (failures: string) => `now() + least(${MOST_DAYS}, ${failures}) * interval '1 day'`;

/** The first of several simultaneous attempts locks the row. The others then see its wait and update nothing. */
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

const REMOVE_EXPIRED = removeExpiredFrom('login_failures');

/** The failures of a name before its password is checked. */
export interface FailureState {
  readonly failures: number;
  /** Whether this attempt is already counted as a failure, so that no other attempt is made at the same time. */
  readonly reserved: boolean;
  /** Milliseconds until the next attempt is allowed; negative if that moment has passed. */
  readonly waitMs: number;
}

/** The SQL of consecutive failed logins: all nodes count together, by the database's clock. */
@Injectable()
export class LoginFailureStore {
  constructor(private readonly database: Database) {}

  /** Returns the failures of the account; undefined if there were none. After the free ones, reserves one attempt if the wait is over. */
  async admit(key: Buffer): Promise<FailureState | undefined> {
    return (await this.database.query<FailureState & Record<string, unknown>>(ADMIT, [key]))[0];
  }

  /** Counts a failure that was not reserved before. */
  async count(key: Buffer): Promise<void> {
    await this.database.query(COUNT, [key]);
  }

  /** Cancels a reserved failure: no password was checked. */
  async takeBack(key: Buffer): Promise<void> {
    await this.database.query(TAKE_BACK, [key]);
  }

  async reset(key: Buffer): Promise<void> {
    await this.database.query(RESET, [key]);
  }

  /** Removes up to `batch` expired rows and returns how many. */
  async removeExpired(batch: number): Promise<number> {
    const [row] = await this.database.query<{ count: number }>(REMOVE_EXPIRED, [batch]);
    return row!.count;
  }
}
