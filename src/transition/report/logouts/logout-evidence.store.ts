import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { Database } from '../../../database/database.js';
import { SessionOriginService } from '../../sessions/stores/session-origin.service.js';
import type { ProvableSession } from '../../sessions/stores/session-origin.service.js';
import { SessionTable } from '../../sessions/table/session-table.js';
import { userIn, userNamed } from '../../sessions/stores/session-table.sql.js';

/** The database's evidence about a family. */
export interface FamilyEvidence {
  readonly sid: string;
  readonly userId: string;
  readonly revoked: boolean;
  readonly reason: string | null;
  readonly expired: boolean;
  readonly generation: number;
  readonly confirmedGeneration: number;
  readonly macKey: string;
  readonly secret: Buffer;
  /** The time from the last refresh of the family to its revocation, in seconds; null if it is not revoked. */
  readonly revokedAfter: number | null;
  readonly epoch: number;
  readonly disabled: boolean;
}

/** A family without a row, although no audit event revoked it and it cannot have expired. */
export interface MissingFamily {
  readonly sid: string;
  readonly userId: string;
}

const FAMILIES = `
  SELECT t.id AS sid, t.user_id AS "userId", t.revoked_at IS NOT NULL AS revoked, t.revoke_reason AS reason,
    t.expires_at <= clock_timestamp() AS expired, t.generation, t.confirmed_generation AS "confirmedGeneration",
    t.mac_key AS "macKey", t.secret, extract(epoch FROM t.revoked_at - t.rotated_at)::float8 AS "revokedAfter",
    u.epoch, u.disabled_at IS NOT NULL AS disabled
  FROM refresh_tokens t JOIN users u ON u.id = t.user_id WHERE t.id = ANY ($1::uuid[])`;

/**
 * In doubt a family was revoked: by any later event of the user that revokes families and names no other family, and by any that names
 * this one. Its lifetime counts from its last event and is at most the week for which the row of an expired family is kept, because its
 * real lifetime is not known any more.
 */
const MISSING = `
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

/** A session that has a row, has not expired and is not revoked. */
export interface SessionEvidence {
  readonly sid: string;
  /** The user that it names; null if nobody has logged in with it. */
  readonly name: string | null;
  /** The user; null if it is unknown. */
  readonly userId: string | null;
  readonly disabled: boolean;
}

const sessionsOf = (table: string, user: string) => `
  SELECT s.sid, named.name, u.id AS "userId", u.role, f.begun_macs AS "begunMacs", u.disabled_at IS NOT NULL AS disabled
  FROM ${table} s
  CROSS JOIN LATERAL (SELECT ${user} AS name) named
  LEFT JOIN users u ON u.id = ${userNamed('named.name')}
  LEFT JOIN session_fates f ON f.sid = s.sid
  WHERE s.sid = ANY ($1::text[]) AND s.expire > clock_timestamp() AND f.ended_at IS NULL
    AND (f.ends_at IS NULL OR f.ends_at > clock_timestamp())`;

/** Reads the evidence about refused credentials. Changes nothing. */
@Injectable()
export class LogoutEvidenceStore {
  private readonly sessionStatement: string;

  constructor(
    private readonly database: Database,
    table: SessionTable,
    private readonly origins: SessionOriginService,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    this.sessionStatement = sessionsOf(table.rows, userIn(table, config.sessionUserKey));
  }

  /** Reads families, by their id. Families without a row are left out. */
  async families(sids: readonly string[]): Promise<ReadonlyMap<string, FamilyEvidence>> {
    const rows = await this.database.query<FamilyEvidence & Record<string, unknown>>(FAMILIES, [sids]);
    return new Map(rows.map((row) => [row.sid, row]));
  }

  /** The missing ones among the families. `expiry`, `familyExpiry`: the longest unused and total lifetime in seconds. */
  async missing(
    sids: readonly string[],
    expiry: number,
    familyExpiry: number,
  ): Promise<ReadonlyMap<string, MissingFamily>> {
    if (sids.length === 0) return new Map();
    const rows = await this.database.query<MissingFamily & Record<string, unknown>>(MISSING, [
      sids,
      expiry,
      familyExpiry,
    ]);
    return new Map(rows.map((row) => [row.sid, row]));
  }

  /** The distrusted ones among the keys: their tokens are refused on purpose. */
  async distrusted(kids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.query<{ kid: string }>(KEYS, [kids]);
    return new Set(rows.map(({ kid }) => kid));
  }

  /** Reads live sessions, by their id. Leaves out sessions that are refused because the product began them for an administrator. */
  async sessions(sids: readonly string[]): Promise<ReadonlyMap<string, SessionEvidence>> {
    const rows = await this.database.query<SessionEvidence & ProvableSession & Record<string, unknown>>(
      this.sessionStatement,
      [sids],
    );
    const accepted = rows.filter((row) => row.userId === null || this.origins.signsIn(row));
    return new Map(accepted.map((row) => [row.sid, row]));
  }
}
