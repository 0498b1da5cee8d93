import { Injectable } from '@nestjs/common';
import type { SessionPasswordProofs } from '../../../auth/account/fresh-password.service.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import { FRESH_FOR } from '../../../tokens/families/password-proof.store.js';

const IS_FRESH = `
  SELECT 1 FROM session_password_proofs WHERE sid = $1 AND proved_at > clock_timestamp() - ${FRESH_FOR}`;

const RECORD = `
  INSERT INTO session_password_proofs (sid, proved_at) VALUES ($1, clock_timestamp())
  ON CONFLICT (sid) DO UPDATE SET proved_at = excluded.proved_at`;

const COPY_TO_FAMILY = `
  UPDATE refresh_tokens SET password_at = proof.proved_at FROM session_password_proofs proof
  WHERE proof.sid = $1 AND refresh_tokens.id = $2`;

const REMOVE_OLD = `
  DELETE FROM session_password_proofs
  WHERE sid IN (SELECT sid FROM session_password_proofs WHERE proved_at < now() - ${FRESH_FOR} LIMIT $1)
  RETURNING sid`;

/** When sessions proved their password. A session that another application has opened has not, as far as Tandem knows. */
@Injectable()
export class SessionPasswordProofStore implements SessionPasswordProofs {
  constructor(private readonly database: Database) {}

  async isFresh(sid: string): Promise<boolean> {
    return (await this.database.query(IS_FRESH, [sid])).length > 0;
  }

  async record(sid: string): Promise<void> {
    await this.database.query(RECORD, [sid]);
  }

  /** The family that the session is exchanged for is the same login. */
  async copyToFamily(sql: Sql, sid: string, familyId: string): Promise<void> {
    await sql.query(COPY_TO_FAMILY, [sid, familyId]);
  }

  /** Deletes at most `batch` proofs that are not fresh any more, and returns how many. */
  async removeOld(batch: number): Promise<number> {
    return (await this.database.query(REMOVE_OLD, [batch])).length;
  }
}
