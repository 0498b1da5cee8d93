import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import type { WebhookEvent, WebhookState, WebhookType } from './webhook-event.entity.js';

/** An event of a user. */
export interface UserEvent {
  readonly type: Exclude<WebhookType, 'login.revoked'>;
  readonly userId: string;
  readonly externalId: string | null;
  readonly state: WebhookState;
  readonly changed?: readonly string[] | undefined;
}

/** An event that this node may send now. */
export type DueEvent = Pick<
  WebhookEvent,
  | 'seq'
  | 'id'
  | 'type'
  | 'userId'
  | 'externalId'
  | 'sid'
  | 'state'
  | 'reason'
  | 'changed'
  | 'createdAt'
  | 'attempts'
>;

/** An attempt that failed, and when to try again. */
export interface FailedAttempt {
  readonly seq: string;
  readonly delaySeconds: number;
  readonly error: string;
}

/** The events that wait to be delivered. */
export interface Backlog {
  readonly waiting: number;
  /** The age of the oldest event. 0 if there is none. */
  readonly oldestSeconds: number;
  /** Why the last attempt for the oldest event failed. */
  readonly lastError: string | null;
}

/** How long Tandem tries to send an event. */
const LIFETIME = `interval '1 day'`;

/** How long an event waits for an earlier event of the same user that was not delivered. */
const ORDERED_FOR = `interval '1 hour'`;

const ADD_USER_EVENT = `
  INSERT INTO webhook_events (id, type, user_id, external_id, state, changed)
  VALUES (gen_random_uuid(), $1, $2, $3, $4, $5)`;

const ADD_REVOKED_LOGINS = `
  INSERT INTO webhook_events (id, type, user_id, external_id, sid, state, reason)
  SELECT gen_random_uuid(), 'login.revoked', login.user_id, u.external_id, login.sid, 'revoked', $3
  FROM unnest($1::uuid[], $2::uuid[]) AS login (sid, user_id) LEFT JOIN users u ON u.id = login.user_id`;

/** Claims due events. Two nodes never claim one event. Only the oldest event of each user is due, so that events arrive in order. */
const CLAIM = `
  WITH due AS (
    SELECT seq FROM webhook_events w
    WHERE due_at <= now() AND created_at > now() - ${LIFETIME}
      AND NOT EXISTS (
        SELECT 1 FROM webhook_events earlier
        WHERE earlier.user_id = w.user_id AND earlier.seq < w.seq AND earlier.created_at > now() - ${ORDERED_FOR})
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
  UPDATE webhook_events w SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
  FROM due WHERE w.seq = due.seq
  RETURNING w.seq, id, type, user_id AS "userId", external_id AS "externalId", sid, state, reason, changed,
    created_at AS "createdAt", attempts`;

const REMOVE = `DELETE FROM webhook_events WHERE seq = ANY ($1::bigint[])`;

const POSTPONE = `
  UPDATE webhook_events w SET due_at = now() + make_interval(secs => failed.delay), last_error = failed.error
  FROM unnest($1::bigint[], $2::float8[], $3::text[]) AS failed (seq, delay, error)
  WHERE w.seq = failed.seq`;

const RELEASE = `
  UPDATE webhook_events SET due_at = now(), attempts = attempts - 1 WHERE seq = ANY ($1::bigint[])`;

const REMOVE_EXPIRED = `
  DELETE FROM webhook_events WHERE seq IN (
    SELECT seq FROM webhook_events WHERE created_at <= now() - ${LIFETIME} ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED)
  RETURNING seq`;

const BACKLOG = `
  SELECT count(*)::integer AS waiting, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldestSeconds",
    (SELECT last_error FROM webhook_events ORDER BY seq LIMIT 1) AS "lastError"
  FROM webhook_events`;

/** The SQL of the outbox. */
@Injectable()
export class WebhookStore {
  constructor(private readonly database: Database) {}

  async addUserEvent(sql: Sql, { type, userId, externalId, state, changed }: UserEvent): Promise<void> {
    await sql.query(ADD_USER_EVENT, [type, userId, externalId, state, changed ?? null]);
  }

  /** Writes the events of any number of families in one statement. */
  async addRevokedLogins(
    sql: Sql,
    logins: readonly { readonly sid: string; readonly userId: string }[],
    reason: string,
  ): Promise<void> {
    await sql.query(ADD_REVOKED_LOGINS, [
      logins.map(({ sid }) => sid),
      logins.map(({ userId }) => userId),
      reason,
    ]);
  }

  /** Takes at most `limit` due events. If the node has not settled one after `leaseSeconds`, any node may claim it again. */
  claim(limit: number, leaseSeconds: number): Promise<DueEvent[]> {
    return this.database.query<DueEvent & Record<string, unknown>>(CLAIM, [limit, leaseSeconds]);
  }

  async remove(seqs: readonly string[]): Promise<void> {
    if (seqs.length > 0) await this.database.query(REMOVE, [seqs]);
  }

  async postpone(failed: readonly FailedAttempt[]): Promise<void> {
    if (failed.length === 0) return;
    await this.database.query(POSTPONE, [
      failed.map(({ seq }) => seq),
      failed.map(({ delaySeconds }) => delaySeconds),
      failed.map(({ error }) => error),
    ]);
  }

  /** Makes events due again that the node has claimed and will not send. */
  async release(seqs: readonly string[]): Promise<void> {
    if (seqs.length > 0) await this.database.query(RELEASE, [seqs]);
  }

  /** Removes at most `batch` events that are a day old. Returns how many. */
  async removeExpired(batch: number): Promise<number> {
    return (await this.database.query(REMOVE_EXPIRED, [batch])).length;
  }

  async backlog(): Promise<Backlog> {
    return (await this.database.query<Backlog & Record<string, unknown>>(BACKLOG))[0]!;
  }
}
