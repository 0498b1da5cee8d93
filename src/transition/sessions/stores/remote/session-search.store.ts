import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../../config/config.js';
import { Database } from '../../../../database/database.js';
import type { Sql } from '../../../../database/database.js';
import type { TransitionConfig } from '../../../transition.settings.js';
import { SessionTable } from '../../table/session-table.js';
import { userAt } from '../session-table.sql.js';

/** A user whose sessions a node searches for. */
export interface ClaimedSearch {
  readonly userId: string;
  readonly names: readonly string[];
  readonly revision: number;
}

/** A session that was found, of a user who was revoked. */
export interface FoundForUser {
  readonly sid: string;
  readonly userId: string;
  /** The name by which it names the user. */
  readonly name: string;
}

/** Another node searches again if the first one has not finished by then. */
const CLAIM = `interval '30 seconds'`;

const ADD = `
  INSERT INTO session_searches (user_id, names)
  SELECT id, array_remove(ARRAY[id::text, external_id], NULL) FROM users WHERE id = ANY ($1::uuid[]) ORDER BY id
  ON CONFLICT (user_id) DO UPDATE
  SET names = excluded.names, revision = session_searches.revision + 1, claimed_at = NULL`;

const CLAIM_DUE = `
  WITH due AS (
    SELECT user_id FROM session_searches WHERE claimed_at IS NULL OR claimed_at < clock_timestamp() - ${CLAIM}
    ORDER BY user_id LIMIT $1 FOR UPDATE SKIP LOCKED
  )
  UPDATE session_searches s SET claimed_at = clock_timestamp() FROM due WHERE s.user_id = due.user_id
  RETURNING s.user_id AS "userId", s.names, s.revision`;

const SETTLE = `
  DELETE FROM session_searches s USING unnest($1::uuid[], $2::integer[]) AS done (user_id, revision)
  WHERE s.user_id = done.user_id AND s.revision = done.revision`;

const RELEASE = `
  UPDATE session_searches s SET claimed_at = NULL FROM unnest($1::uuid[], $2::integer[]) AS claimed (user_id, revision)
  WHERE s.user_id = claimed.user_id AND s.revision = claimed.revision`;

/**
 * A session that is recorded for the user was revoked by the caller, or stays live because it is the caller's own, or began at this service
 * after the revocation. A linked session is left to the sweep, which revokes its family, too.
 */
const revokeUnseenIn = (table: string, path: string) => `
  INSERT INTO session_fates (sid, user_id, ended_at)
  SELECT DISTINCT ON (w.sid) w.sid, w.user_id, clock_timestamp()
  FROM unnest($1::text[], $2::uuid[], $3::text[]) AS w (sid, user_id, name)
  WHERE NOT EXISTS (SELECT 1 FROM ${table} s WHERE s.sid = w.sid AND ${userAt(path)} = w.name)
  ORDER BY w.sid
  ON CONFLICT (sid) DO UPDATE SET ended_at = excluded.ended_at
  WHERE session_fates.ended_at IS NULL AND session_fates.family_id IS NULL
  RETURNING sid`;

/** The users whose sessions were revoked while some of them were not known yet. */
@Injectable()
export class SessionSearchStore {
  private readonly revokeUnseenText: string;

  constructor(
    private readonly database: Database,
    { qualifiedName }: SessionTable,
    @Inject(CONFIG) { sessionUserKey }: TransitionConfig,
  ) {
    this.revokeUnseenText = revokeUnseenIn(qualifiedName, sessionUserKey);
  }

  /** From the commit on, no unseen session of these users is accepted until a search has settled it. */
  async add(sql: Sql, userIds: readonly string[]): Promise<void> {
    await sql.query(ADD, [userIds]);
  }

  /** Takes over at most `batch` searches that no other node is working on. */
  claim(batch: number): Promise<ClaimedSearch[]> {
    return this.database.query<ClaimedSearch & Record<string, unknown>>(CLAIM_DUE, [batch]);
  }

  /** The searches have found all sessions that began before. */
  async settle(searches: readonly ClaimedSearch[]): Promise<void> {
    await this.database.query(SETTLE, columnsOf(searches));
  }

  /** The searches did not finish: any node may take them. */
  async release(searches: readonly ClaimedSearch[]): Promise<void> {
    await this.database.query(RELEASE, columnsOf(searches));
  }

  /** Revokes those of the sessions that are not recorded for their user. Returns them. */
  async revokeUnseen(found: readonly FoundForUser[]): Promise<string[]> {
    const values = [
      found.map(({ sid }) => sid),
      found.map(({ userId }) => userId),
      found.map(({ name }) => name),
    ];
    const rows = await this.database.query<{ sid: string }>(this.revokeUnseenText, values);
    return rows.map(({ sid }) => sid);
  }
}

function columnsOf(searches: readonly ClaimedSearch[]): unknown[] {
  return [searches.map(({ userId }) => userId), searches.map(({ revision }) => revision)];
}
