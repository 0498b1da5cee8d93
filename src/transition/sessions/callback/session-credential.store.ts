import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { Database } from '../../../database/database.js';
import { SessionSeal } from './session-seal.js';

/** The values by which the product knows a session. */
export interface SessionCredentials {
  /** The product's own id of the session. */
  readonly session: string;
  /** The value of its cookie when it was seen last. */
  readonly cookie: string;
  /** The Set-Cookie lines with which the product began it for a downgrade. */
  readonly lines?: readonly string[];
}

const SAVE = `
  INSERT INTO session_credentials (sid, sealed, seen_at) VALUES ($1, $2, clock_timestamp())
  ON CONFLICT (sid) DO UPDATE SET sealed = excluded.sealed, seen_at = excluded.seen_at`;

const FIND = `SELECT sid, sealed FROM session_credentials WHERE sid = ANY ($1::text[])`;

const REMOVE = `DELETE FROM session_credentials WHERE sid = ANY ($1::text[])`;

const IS_KNOWN = `
  SELECT 1 FROM session_credentials WHERE sid = $1
  UNION ALL SELECT 1 FROM session_fates WHERE sid = $1
  UNION ALL SELECT 1 FROM session_records WHERE sid = $1`;

/** A session without a record, that no live family is linked to, was seen last a day ago: it comes back with its next use. */
const REMOVE_OLD = `
  DELETE FROM session_credentials WHERE sid IN (
    SELECT c.sid FROM session_credentials c
    WHERE c.seen_at < now() - interval '1 day'
      AND NOT EXISTS (SELECT 1 FROM session_records s WHERE s.sid = c.sid)
      AND NOT EXISTS (
        SELECT 1 FROM session_fates f JOIN refresh_tokens t ON t.id = f.family_id
        WHERE f.sid = c.sid AND f.ended_at IS NULL AND t.revoked_at IS NULL AND t.expires_at > now())
    LIMIT $1)
  RETURNING sid`;

const LINKED_USER = `SELECT user_id AS "userId" FROM session_fates WHERE sid = $1 AND ended_at IS NULL`;

/** The user's external ids among the names that are ids. */
const RENAMED = `
  SELECT id::text AS id FROM users WHERE external_id IS NOT NULL AND external_id <> id::text AND id::text = ANY ($1::text[])`;

/** A session that families survive: as if it had expired, so that it ends without them. */
const UNLINK = `
  UPDATE session_records s SET expire = clock_timestamp()
  FROM session_fates f JOIN users u ON u.id = f.user_id
  WHERE f.sid = s.sid AND f.ended_at IS NULL AND s.expire > clock_timestamp() AND (u.external_id = $1 OR u.id::text = $1)`;

/** Stores, encrypted, what Tandem needs to ask the product about sessions, or to report to it. */
@Injectable()
export class SessionCredentialStore {
  private readonly seal: SessionSeal;

  constructor(
    private readonly database: Database,
    @Inject(CONFIG) config: Config,
  ) {
    this.seal = new SessionSeal(config);
  }

  async save(sid: string, credentials: SessionCredentials): Promise<void> {
    await this.database.query(SAVE, [sid, this.seal.seal(sid, credentials)]);
  }

  /**
   * Reads credentials, by the session's id. Leaves out unknown sessions, and those that were sealed under a secret that this node does not
   * have.
   */
  async find(sids: readonly string[]): Promise<ReadonlyMap<string, SessionCredentials>> {
    const rows = await this.database.query<{ sid: string; sealed: Buffer }>(FIND, [sids]);
    const opened = rows.map(({ sid, sealed }) => [sid, this.seal.open(sid, sealed)] as const);
    return new Map(opened.filter((entry): entry is [string, SessionCredentials] => entry[1] !== undefined));
  }

  /** Forgets sessions about which the product needs no report any more. */
  async remove(sids: readonly string[]): Promise<void> {
    await this.database.query(REMOVE, [sids]);
  }

  /** Whether Tandem has seen the session before. */
  async isKnown(sid: string): Promise<boolean> {
    return (await this.database.query(IS_KNOWN, [sid])).length > 0;
  }

  /** Returns the user of a linked session that has not been revoked, for a session without a record. */
  async linkedUserOf(sid: string): Promise<string | undefined> {
    return (await this.database.query<{ userId: string }>(LINKED_USER, [sid]))[0]?.userId;
  }

  /** Returns the names by which the product knows users: without the ids of users who have an external id. */
  async inProduct(names: ReadonlySet<string>): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(RENAMED, [[...names]]);
    const renamed = new Set(rows.map(({ id }) => id));
    return [...names].filter((name) => !renamed.has(name));
  }

  /** Lets the families of the user's remaining sessions continue without these sessions. */
  async unlink(name: string): Promise<void> {
    await this.database.query(UNLINK, [name]);
  }

  /** Deletes at most `batch` entries that nothing needs, and returns how many. */
  async removeOld(batch: number): Promise<number> {
    return (await this.database.query(REMOVE_OLD, [batch])).length;
  }
}
