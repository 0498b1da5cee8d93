import { Injectable } from '@nestjs/common';
import { Database } from '../../../database/database.js';
import type { Scheme } from '../report.entity.js';
import type { LogoutCause } from './causes.js';

/** A login that was cut off. */
export interface CutOff {
  readonly scheme: Scheme;
  /** What names the login without letting anybody in. */
  readonly subject: string;
  readonly cause: LogoutCause;
  readonly userId: string | undefined;
  /** Milliseconds, on the database's clock. */
  readonly at: number;
}

const ADD = `
  INSERT INTO unexpected_logouts (scheme, subject, cause, user_id, at)
  SELECT scheme, subject, cause, "userId", to_timestamp(at / 1000)
  FROM json_to_recordset($1::json) AS c (scheme text, subject text, cause text, "userId" uuid, at float8)
  ORDER BY scheme, subject
  ON CONFLICT ON CONSTRAINT unexpected_logouts_pkey DO NOTHING RETURNING scheme, cause`;

@Injectable()
export class UnexpectedLogoutStore {
  constructor(private readonly database: Database) {}

  /** Adds those that are new, and says which: a login is cut off once, on whatever node and however often it is refused. */
  async add(cutOffs: readonly CutOff[]): Promise<Pick<CutOff, 'scheme' | 'cause'>[]> {
    return this.database.query<Pick<CutOff, 'scheme' | 'cause'> & Record<string, unknown>>(ADD, [
      JSON.stringify(cutOffs),
    ]);
  }
}
