import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';

/** A password counts as fresh for five minutes. SQL, also for sessions. */
export const FRESH_FOR = `interval '5 minutes'`;

const IS_FRESH = `
  SELECT password_at > clock_timestamp() - ${FRESH_FOR} IS TRUE AS fresh FROM refresh_tokens WHERE id = $1`;

const RECORD = `UPDATE refresh_tokens SET password_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL`;

/** When token families proved their password. All times are on the database's clock. */
@Injectable()
export class PasswordProofStore {
  constructor(private readonly database: Database) {}

  /** Whether the family proved its password within the last five minutes. */
  async isFresh(sid: string): Promise<boolean> {
    return (await this.database.query<{ fresh: boolean }>(IS_FRESH, [sid]))[0]?.fresh === true;
  }

  /** The family has proved its password now. */
  async record(sid: string): Promise<void> {
    await this.database.query(RECORD, [sid]);
  }
}
