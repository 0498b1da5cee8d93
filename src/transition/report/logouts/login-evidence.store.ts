import { Injectable } from '@nestjs/common';
import { Database } from '../../../database/database.js';

/** What the database says of a login, when a credential of it had been refused. */
export interface LoginEvidence {
  readonly sid: string;
  readonly userId: string;
  readonly ended: boolean;
  readonly reason: string | null;
  readonly expired: boolean;
  readonly generation: number;
  readonly confirmedGeneration: number;
  readonly macKey: string;
  readonly secret: Buffer;
  /** Seconds from its last refresh to its end; null if it goes on. */
  readonly endedAfter: number | null;
  readonly epoch: number;
  readonly disabled: boolean;
}

/** A login that has no row, although nothing in the audit trail ended it and it cannot have expired. */
export interface VanishedLogin {
  readonly sid: string;
  readonly userId: string;
}

const LOGINS = `
  SELECT t.id AS sid, t.user_id AS "userId", t.revoked_at IS NOT NULL AS ended, t.revoke_reason AS reason,
    t.expires_at <= clock_timestamp() AS expired, t.generation, t.confirmed_generation AS "confirmedGeneration",
    t.mac_key AS "macKey", t.secret, extract(epoch FROM t.revoked_at - t.rotated_at)::float8 AS "endedAfter",
    u.epoch, u.disabled_at IS NOT NULL AS disabled
  FROM refresh_tokens t JOIN users u ON u.id = t.user_id WHERE t.id = ANY ($1::uuid[])`;

/**
 * Whatever may have ended it is taken to have: any later event that ends logins of the user, if it names no other login, and any
 * that ends this one. Its life is counted from the last time it was heard of, and at most the week for which the row of a
 * login that expired is kept: how long it was to live nobody knows any more.
 */
const VANISHED = `
  SELECT began.sid, began.user_id AS "userId"
  FROM audit_events began JOIN users u ON u.id = began.user_id AND u.disabled_at IS NULL
  WHERE began.event IN ('login', 'exchange') AND began.sid = ANY ($1::uuid[])
    AND began.at > clock_timestamp() - make_interval(secs => $3::float8)
    AND (SELECT max(later.at) FROM audit_events later
      WHERE later.user_id = began.user_id AND later.sid = began.sid AND later.event IN ('login', 'exchange', 'refresh')
    ) > clock_timestamp() - least(make_interval(secs => $2::float8), interval '7 days')
    AND NOT EXISTS (
      SELECT 1 FROM audit_events later
      WHERE later.user_id = began.user_id AND later.id > began.id
        AND later.event NOT IN ('login', 'exchange', 'refresh') AND (later.sid IS NULL OR later.sid = began.sid
          OR later.event IN ('user', 'revoke')))`;

const KEYS = `SELECT kid FROM signing_keys WHERE kid = ANY ($1::text[]) AND distrusted_at IS NOT NULL`;

/** Looks at logins after one of their tokens was refused, to tell whether that was right. Changes nothing. */
@Injectable()
export class LoginEvidenceStore {
  constructor(private readonly database: Database) {}

  /** By the login; those without a row are left out. */
  async logins(sids: readonly string[]): Promise<ReadonlyMap<string, LoginEvidence>> {
    const rows = await this.database.query<LoginEvidence & Record<string, unknown>>(LOGINS, [sids]);
    return new Map(rows.map((row) => [row.sid, row]));
  }

  /** Those of the logins that have vanished. `expiry`, `familyExpiry`: seconds that a login lives unused, and at all. */
  async vanished(
    sids: readonly string[],
    expiry: number,
    familyExpiry: number,
  ): Promise<ReadonlyMap<string, VanishedLogin>> {
    if (sids.length === 0) return new Map();
    const rows = await this.database.query<VanishedLogin & Record<string, unknown>>(VANISHED, [
      sids,
      expiry,
      familyExpiry,
    ]);
    return new Map(rows.map((row) => [row.sid, row]));
  }

  /** Those of the keys that were distrusted: what they signed is refused on purpose. */
  async distrusted(kids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.query<{ kid: string }>(KEYS, [kids]);
    return new Set(rows.map(({ kid }) => kid));
  }
}
