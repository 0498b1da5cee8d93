import { Injectable } from '@nestjs/common';
import { cursorsOf } from '../common/http/pagination.js';
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
  readonly cause?: string | undefined;
  readonly sid?: string | undefined;
  readonly actorId?: string | undefined;
  /** An address or network exactly as the trail names it. */
  readonly ip?: string | undefined;
  readonly requestId?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
}

export interface EventPage {
  readonly events: ListedEvent[];
  readonly next_cursor: string | null;
  /** The time down to which the search has come, if the page is short because the search was interrupted. */
  readonly searched_to: Date | null;
}

/** The fields of a filter that no index serves: a list must examine events for them, unless it knows the user. */
const EXAMINED = ['cause', 'sid', 'actorId', 'ip', 'requestId'] as const;

/** Ids that one statement examines for them. Ids have few gaps. */
const EXAMINED_IDS = 50_000n;

/** Ids from `from` to below `to`. */
interface IdRange {
  readonly from?: bigint | undefined;
  readonly to?: bigint | undefined;
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

const END = `SELECT coalesce(max(id), 0) + 1 AS id FROM audit_events`;

const TIME_OF = `SELECT at FROM audit_events WHERE id >= $1::bigint ORDER BY id LIMIT 1`;

/** A cursor is the id of an event. */
const CURSORS = cursorsOf('audit', /^[1-9]\d{0,17}$/);

/** Reads the audit trail. */
@Injectable()
export class AuditLogStore {
  constructor(private readonly database: Database) {}

  /**
   * One page, newest first. If a field of the filter has no index, examines a bounded number of events: then a page may be short or empty
   * although it is not the last one. Throws 400 for an invalid cursor.
   */
  async page(filter: AuditFilter, limit: number, cursor: string | undefined): Promise<EventPage> {
    const before = cursor === undefined ? undefined : BigInt(CURSORS.read(cursor)[0]);
    const from = needsSearch(filter) ? (await this.below(before)) - EXAMINED_IDS : 0n;
    const range = { from: from > 0n ? from : undefined, to: before };
    const rows = await this.select(filter, 'DESC', limit + 1, range);
    const events = rows.slice(0, limit);
    if (rows.length > limit)
      return { events, next_cursor: CURSORS.write(events.at(-1)!.id), searched_to: null };
    if (from <= 1n) return { events, next_cursor: null, searched_to: null };
    return { events, next_cursor: CURSORS.write(String(from)), searched_to: await this.timeOf(from) };
  }

  /** All events, oldest first, in pages of at most `size`. */
  async *pages(filter: AuditFilter, size = 1_000): AsyncGenerator<ListedEvent[]> {
    const end = await this.end();
    const step = needsSearch(filter) ? EXAMINED_IDS : end;
    for (let from = 1n; from < end; from += step) yield* this.pagesIn(filter, from, from + step, size);
  }

  private async *pagesIn(
    filter: AuditFilter,
    from: bigint,
    to: bigint,
    size: number,
  ): AsyncGenerator<ListedEvent[]> {
    for (let start = from; ;) {
      const events = await this.select(filter, 'ASC', size, { from: start, to });
      if (events.length > 0) yield events;
      if (events.length < size) return;
      start = BigInt(events.at(-1)!.id) + 1n;
    }
  }

  /** The lower of `id` and {@link end}. */
  private async below(id: bigint | undefined): Promise<bigint> {
    const end = await this.end();
    return id === undefined || id > end ? end : id;
  }

  /** Above every id. */
  private async end(): Promise<bigint> {
    return BigInt((await this.database.query<{ id: string }>(END))[0]!.id);
  }

  /** The time of the first event from an id on. */
  private async timeOf(id: bigint): Promise<Date | null> {
    return (await this.database.query<{ at: Date }>(TIME_OF, [String(id)]))[0]?.at ?? null;
  }

  private select(
    { userId, externalId, event, cause, sid, actorId, ip, requestId, since, until }: AuditFilter,
    order: 'ASC' | 'DESC',
    limit: number,
    { from, to }: IdRange,
  ): Promise<ListedEvent[]> {
    const values: unknown[] = [limit];
    const next = (value: unknown) => `$${values.push(value)}`;
    const conditions: string[] = [];
    if (from !== undefined) conditions.push(`id >= ${next(String(from))}::bigint`);
    if (to !== undefined) conditions.push(`id < ${next(String(to))}::bigint`);
    if (userId !== undefined) conditions.push(`user_id = ${next(userId)}::uuid`);
    if (externalId !== undefined)
      conditions.push(`user_id = (SELECT id FROM users WHERE external_id = ${next(externalId)})`);
    if (event !== undefined) conditions.push(`event = ${next(event)}`);
    if (cause !== undefined) conditions.push(`cause = ${next(cause)}`);
    if (sid !== undefined) conditions.push(`sid = ${next(sid)}::uuid`);
    if (actorId !== undefined) conditions.push(`actor_id = ${next(actorId)}::uuid`);
    if (ip !== undefined) conditions.push(`ip = ${next(ip)}`);
    if (requestId !== undefined) conditions.push(`request_id = ${next(requestId)}`);
    if (since !== undefined) {
      const begin = `${next(since)}::timestamptz`;
      conditions.push(`at >= ${begin}`, AFTER_SEALS_OF(begin));
    }
    if (until !== undefined) conditions.push(`at < ${next(until)}::timestamptz`);
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    return this.database.queryUnprepared<ListedEvent & Record<string, unknown>>(
      `SELECT ${COLUMNS} FROM audit_events ${where} ORDER BY audit_events.id ${order} LIMIT $1`,
      values,
    );
  }
}

function needsSearch(filter: AuditFilter): boolean {
  const ofUser = filter.userId !== undefined || filter.externalId !== undefined;
  return !ofUser && EXAMINED.some((field) => filter[field] !== undefined);
}
