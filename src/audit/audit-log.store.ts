import { Injectable } from '@nestjs/common';
import { cursorsOf } from '../common/pagination.js';
import { Database } from '../database/database.js';

/** Every audited event. The feature that acts writes it. */
export const AUDIT_EVENTS = [
  'login',
  'refusal',
  'refresh',
  'refresh_reused',
  'logout',
  'revoke',
  'exchange',
  'downgrade',
  'rollout',
  'key',
  'user',
  'client',
  'import',
  'mail',
  'service',
  'audit',
] as const;

export type AuditEventName = (typeof AUDIT_EVENTS)[number];

/** An event as administrators see it. */
export interface ListedEvent {
  readonly id: string;
  readonly at: Date;
  readonly event: string;
  readonly cause: string | null;
  readonly user_id: string | null;
  /** The external id that the user has now. */
  readonly external_id: string | null;
  readonly actor_id: string | null;
  readonly sid: string | null;
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly request_id: string | null;
  readonly count: number;
  readonly detail: Record<string, unknown> | null;
}

export interface AuditFilter {
  readonly userId?: string | undefined;
  /** The user who has exactly this external id now. */
  readonly externalId?: string | undefined;
  readonly event?: AuditEventName | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
}

export interface EventPage {
  readonly events: ListedEvent[];
  readonly next_cursor: string | null;
}

const COLUMNS = `
  id::text, at, event, cause, user_id,
  (SELECT u.external_id FROM users u WHERE u.id = audit_events.user_id) AS external_id, actor_id, sid, ip, user_agent, request_id, count, detail`;

/**
 * There is no index on the time, because it would slow down logins. Events are sealed after they happened, so events in seals from before
 * `since` are older. The rest is found by id.
 */
const AFTER_SEALS_OF = (since: string) =>
  `id > coalesce((SELECT last_id FROM audit_seals WHERE sealed_at < ${since} ORDER BY id DESC LIMIT 1), 0)`;

/** A cursor is the id of an event. */
const CURSORS = cursorsOf('audit', /^[1-9]\d{0,17}$/);

/** Reads the audit trail. */
@Injectable()
export class AuditLogStore {
  constructor(private readonly database: Database) {}

  /** One page, newest first. Throws 400 for an invalid cursor. */
  async page(filter: AuditFilter, limit: number, cursor: string | undefined): Promise<EventPage> {
    const before = cursor === undefined ? undefined : CURSORS.read(cursor)[0];
    const rows = await this.select(filter, 'DESC', limit + 1, before);
    const events = rows.slice(0, limit);
    return { events, next_cursor: rows.length > limit ? CURSORS.write(events.at(-1)!.id) : null };
  }

  /** All events, oldest first, in pages of `size`. */
  async *pages(filter: AuditFilter, size = 1_000): AsyncGenerator<ListedEvent[]> {
    let after: string | undefined;
    for (;;) {
      const events = await this.select(filter, 'ASC', size, after);
      if (events.length > 0) yield events;
      if (events.length < size) return;
      after = events.at(-1)!.id;
    }
  }

  private select(
    { userId, externalId, event, since, until }: AuditFilter,
    order: 'ASC' | 'DESC',
    limit: number,
    beyond: string | undefined,
  ): Promise<ListedEvent[]> {
    const values: unknown[] = [limit];
    const next = (value: unknown) => `$${values.push(value)}`;
    // At most a few statement texts: one for each combination of filters.
    const conditions: string[] = [];
    if (beyond !== undefined) conditions.push(`id ${order === 'ASC' ? '>' : '<'} ${next(beyond)}::bigint`);
    if (userId !== undefined) conditions.push(`user_id = ${next(userId)}::uuid`);
    if (externalId !== undefined)
      conditions.push(`user_id = (SELECT id FROM users WHERE external_id = ${next(externalId)})`);
    if (event !== undefined) conditions.push(`event = ${next(event)}`);
    if (since !== undefined) {
      const from = `${next(since)}::timestamptz`;
      conditions.push(`at >= ${from}`, AFTER_SEALS_OF(from));
    }
    if (until !== undefined) conditions.push(`at < ${next(until)}::timestamptz`);
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    return this.database.query<ListedEvent & Record<string, unknown>>(
      `SELECT ${COLUMNS} FROM audit_events ${where} ORDER BY audit_events.id ${order} LIMIT $1`,
      values,
    );
  }
}
