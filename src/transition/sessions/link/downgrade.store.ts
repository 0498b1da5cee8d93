import { Injectable } from '@nestjs/common';
import { repeatSeconds } from '../../../auth/refresh/refresh.service.js';
import type { RepeatWindows } from '../../../auth/refresh/refresh.service.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import { SessionOriginService } from '../stores/session-origin.service.js';

/** The session that a family was downgraded to, as it is now. */
export interface DowngradedSession {
  readonly sid: string;
  /** The generation of the refresh token that was presented for it. */
  readonly spentGeneration: number;
  /** Whether the session has been used, which shows that its client received it. */
  readonly seen: boolean;
  readonly revoked: boolean;
  /** The time since the downgrade, in seconds. */
  readonly age: number;
}

export interface NewDowngradedSession {
  readonly sid: string;
  readonly userId: string;
  readonly familyId: string;
  readonly spentGeneration: number;
  /** Milliseconds. */
  readonly endsAt: number;
  /** Whether the product created the session. The product can give it to anybody, so it proves nothing. */
  readonly byProduct: boolean;
}

const ADD = `
  INSERT INTO session_fates (sid, user_id, downgraded_id, spent_generation, ends_at, begun_macs)
  VALUES ($1, $2, $3, $4, to_timestamp($5::float8 / 1000), $6::jsonb)`;

const OF_FAMILY = `
  SELECT f.sid, f.spent_generation AS "spentGeneration", f.seen_at IS NOT NULL AS seen, f.ended_at IS NOT NULL AS revoked,
    extract(epoch FROM clock_timestamp() - t.revoked_at)::float8 AS age
  FROM session_fates f JOIN refresh_tokens t ON t.id = f.downgraded_id WHERE f.downgraded_id = $1`;

const DELIVERED_BY_COOKIE = `
  SELECT 1 FROM session_fates f JOIN refresh_tokens t ON t.id = f.downgraded_id WHERE f.sid = $1 AND t.delivery = 'cookie'`;

/** Stores which families were downgraded to which sessions. */
@Injectable()
export class DowngradeStore {
  constructor(
    private readonly database: Database,
    private readonly origins: SessionOriginService,
  ) {}

  /** Records that the family was downgraded to the session. */
  async add(sql: Sql, session: NewDowngradedSession): Promise<void> {
    const { sid, userId, familyId, spentGeneration, endsAt } = session;
    const begun = session.byProduct ? null : JSON.stringify(this.origins.prove(sid, userId));
    await sql.query(ADD, [sid, userId, familyId, spentGeneration, endsAt, begun]);
  }

  /** The session that the family was downgraded to; undefined if there is none. */
  async sessionOf(familyId: string, sql: Sql = this.database): Promise<DowngradedSession | undefined> {
    return (await sql.query<DowngradedSession & Record<string, unknown>>(OF_FAMILY, [familyId]))[0];
  }

  /** Whether the session came from a family whose refresh token no script could read. Known for as long as the session lives. */
  async isDeliveredByCookie(sql: Sql, sid: string): Promise<boolean> {
    return (await sql.query(DELIVERED_BY_COOKIE, [sid])).length > 0;
  }
}

/**
 * Whether presenting a token of this generation now is reuse, as in a refresh: the token was spent before the downgrade, or the windows
 * for repeating a lost response are over.
 */
export function isReused(
  { spentGeneration, seen, revoked, age }: DowngradedSession,
  generation: number,
  windows: RepeatWindows,
): boolean {
  // Everything linked is revoked already, so the token gives no access. Its owner may present it after a logout by session.
  if (revoked) return false;
  return generation < spentGeneration || age >= repeatSeconds(seen, windows);
}
