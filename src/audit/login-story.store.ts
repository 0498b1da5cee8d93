import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';

/** An event in the history of a token family, or consecutive refreshes that are counted together. */
export interface StoryEntry {
  readonly at: Date;
  /** The last one of several refreshes; otherwise the same as `at`. */
  readonly until: Date;
  readonly event: string;
  readonly cause: string | null;
  readonly count: number;
  /** The number of different addresses. */
  readonly addresses: number;
  readonly actor: { readonly id: string; readonly username: string | null } | null;
  /** The address of the last event, like the other columns. */
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly request_id: string | null;
  readonly detail: Record<string, unknown> | null;
}

/** The family whose history is read. */
export interface StorySubject {
  readonly userId: string;
  readonly sid: string;
  readonly revokedAt: Date | null;
}

/** The most events of a history. A family that refreshes every minute has fewer in a week. Later ones are left out. */
const MOST_EVENTS = 20_000;

/**
 * Finds the events of a family by the index on users. The first event of the family, which has its own index, limits the search. Events
 * about the whole user belong to the family if they revoked it. Each event that is not a refresh starts a new part.
 */
const STORY = `
  WITH began AS (
    SELECT min(id) AS id FROM audit_events WHERE sid = $2 AND event IN ('login', 'exchange')
  ), events AS MATERIALIZED (
    SELECT * FROM audit_events
    WHERE user_id = $1 AND id >= coalesce((SELECT id FROM began), 0)
      AND (sid = $2 OR (sid IS NULL AND event IN ('revoke', 'logout', 'user')
        AND at BETWEEN $3::timestamptz - interval '5 seconds' AND $3::timestamptz + interval '5 seconds'))
    ORDER BY id LIMIT ${MOST_EVENTS + 1}
  ), parts AS (
    SELECT *, event = 'refresh' AS is_refresh, sum((event <> 'refresh')::integer) OVER (ORDER BY id) AS part FROM events
  ), folded AS (
    SELECT min(id) AS first, max(id) AS last, min(at) AS at, max(at) AS until, count(*)::integer AS count,
      count(DISTINCT ip)::integer AS addresses
    FROM parts GROUP BY part, is_refresh
  )
  SELECT folded.at, folded.until, e.event, e.cause, folded.count, folded.addresses, e.ip, e.user_agent, e.request_id, e.detail,
    CASE WHEN e.actor_id IS NOT NULL
      THEN json_build_object('id', e.actor_id, 'username', (SELECT username FROM users WHERE id = e.actor_id)) END AS actor,
    (SELECT count(*) FROM events)::integer AS total
  FROM folded JOIN events e ON e.id = folded.last ORDER BY folded.first`;

/** Reads the history of a token family from the audit trail. */
@Injectable()
export class LoginStoryStore {
  constructor(private readonly database: Database) {}

  /** Oldest first. `truncated`: there are more events. */
  async read({ userId, sid, revokedAt }: StorySubject): Promise<{ story: StoryEntry[]; truncated: boolean }> {
    type Row = StoryEntry & { total: number } & Record<string, unknown>;
    const rows = await this.database.queryUnprepared<Row>(STORY, [userId, sid, revokedAt]);
    const truncated = (rows[0]?.total ?? 0) > MOST_EVENTS;
    return { story: rows.map(({ total: _total, ...entry }) => entry), truncated };
  }
}
