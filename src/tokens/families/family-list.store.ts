import { Injectable } from '@nestjs/common';
import { cursorsOf } from '../../common/http/pagination.js';
import type { Role } from '../../common/role.js';
import { Database } from '../../database/database.js';
import { conditionsOf, needsSearch } from './family-filter.js';
import type { FamilyFilter, NextParameter } from './family-filter.js';
import type { RevocationReason, TokenDelivery } from './refresh-token.entity.js';

/** A token family as administrators see it. */
export interface ListedFamily {
  readonly id: string;
  readonly user_id: string;
  readonly username: string;
  readonly external_id: string | null;
  readonly role: Role;
  readonly created_at: Date;
  readonly last_used_at: Date;
  readonly expires_at: Date;
  /** The address of the last use. */
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly delivery: TokenDelivery;
  readonly state: 'active' | 'expired' | 'revoked';
  readonly revoked_at: Date | null;
  readonly revoke_reason: RevocationReason | null;
  /** The administrator who revoked it. The name is null if the administrator was deleted. */
  readonly revoked_by: { readonly id: string; readonly username: string | null } | null;
  /** The note of the administrator who revoked it. */
  readonly revoke_note: string | null;
  /** Whether a session may be linked to it. */
  readonly linked: boolean;
}

type Row = ListedFamily & { readonly position: string };

export interface FamilyPage {
  readonly tokens: ListedFamily[];
  readonly next_cursor: string | null;
  /** The time down to which the search has come, if the page is short because the search was interrupted. */
  readonly searched_to: Date | null;
}

const COLUMNS = `
  t.id, t.user_id, u.username, u.external_id, u.role, t.created_at, t.last_used_at, t.expires_at, t.ip, t.user_agent, t.delivery,
  CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' WHEN t.expires_at <= now() THEN 'expired' ELSE 'active' END AS state,
  t.revoked_at, t.revoke_reason, t.revoke_note, NOT t.alone AS linked,
  CASE WHEN t.revoked_by IS NOT NULL
    THEN json_build_object('id', t.revoked_by, 'username', (SELECT a.username FROM users a WHERE a.id = t.revoked_by)) END AS revoked_by`;

const MICROSECONDS = `(extract(epoch FROM t.created_at) * 1000000)::bigint::text`;

/** The time in microseconds, as in PostgreSQL. With milliseconds, a page could skip or repeat rows of one millisecond. */
const POSITION = `${MICROSECONDS} AS position`;

const FAMILIES = `FROM refresh_tokens t JOIN users u ON u.id = t.user_id`;

const EXISTS = `SELECT 1 FROM refresh_tokens WHERE id = $1`;

const ONE = `SELECT ${COLUMNS}, ${POSITION} ${FAMILIES} WHERE t.id = $1`;

/** Rows that one page examines if a condition has no index. This takes some tens of milliseconds. */
const EXAMINED_ROWS = 20_000;

/** Rows that one statement of a count examines, so that it stays far below the statement timeout. */
const COUNTED_ROWS = 100_000;

/** PostgreSQL's largest integer. No table has so many rows. */
const MOST_ROWS = 2_147_483_647;

/** `microseconds.id` of the last row of a page. */
const CURSORS = cursorsOf('tokens', /^(\d{1,16})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/);

/** A place in the order of the list. */
interface Place {
  readonly position: string;
  readonly id: string;
}

/** The part of the list from after one place up to another one. */
interface Range {
  readonly after?: Place | undefined;
  readonly edge?: Place | undefined;
}

/** Reads the token families of all users. */
@Injectable()
export class FamilyListStore {
  constructor(private readonly database: Database) {}

  /**
   * A page of families, the newest first. If a condition has no index, examines a bounded number of rows: then a page may be short or
   * empty although it is not the last one. Throws 400 for an invalid cursor.
   */
  async page(filter: FamilyFilter, limit: number, cursor: string | undefined): Promise<FamilyPage> {
    const after = cursor === undefined ? undefined : placeIn(cursor);
    const edge = needsSearch(filter) ? await this.edgeOf(filter, after, EXAMINED_ROWS) : undefined;
    const values: unknown[] = [limit + 1];
    const next = (value: unknown) => `$${values.push(value)}`;
    const conditions = conditionsOf(filter, next);
    if (after !== undefined) conditions.push(`(t.created_at, t.id) < ${rowOf(after, next)}`);
    if (edge !== undefined)
      conditions.push(
        `(t.created_at, t.id) >= ${rowOf(edge, next)}`,
        `t.created_at >= ${timeOf(edge, next)}`,
      );
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const rows = await this.database.queryUnprepared<Row & Record<string, unknown>>(
      `SELECT ${COLUMNS}, ${POSITION} ${FAMILIES} ${where} ORDER BY t.created_at DESC, t.id DESC LIMIT $1`,
      values,
    );
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1)! : edge;
    const interrupted = rows.length <= limit && edge !== undefined;
    return {
      tokens: page.map(withoutPosition),
      next_cursor: last === undefined ? null : CURSORS.write(`${last.position}.${last.id}`),
      searched_to: interrupted ? new Date(Number(edge.position) / 1_000) : null,
    };
  }

  /** The number of matching families. Stops at `most`. Each of its statements reads a bounded number of rows. */
  async count(filter: FamilyFilter, most = Number.MAX_SAFE_INTEGER): Promise<number> {
    if (!needsSearch(filter)) return this.countBetween(filter, {}, most);
    let count = 0;
    let after: Place | undefined;
    do {
      const edge: Place | undefined = await this.edgeOf(filter, after, COUNTED_ROWS);
      count += await this.countBetween(filter, { after, edge }, most - count);
      after = edge;
    } while (after !== undefined && count < most);
    return count;
  }

  /** The family in any state. */
  async find(sid: string): Promise<ListedFamily | undefined> {
    const [row] = await this.database.query<Row & Record<string, unknown>>(ONE, [sid]);
    return row && withoutPosition(row);
  }

  /** Whether the family exists, even if it is revoked or expired. */
  async exists(sid: string): Promise<boolean> {
    return (await this.database.query(EXISTS, [sid])).length > 0;
  }

  private async countBetween(filter: FamilyFilter, range: Range, most: number): Promise<number> {
    const values: unknown[] = [Math.min(most, MOST_ROWS)];
    const next = (value: unknown) => `$${values.push(value)}`;
    const where = whereOf([...conditionsOf(filter, next), ...betweenOf(range, next)]);
    // Each family has a user, so the join is needed only for the role.
    const from = filter.role === undefined ? 'FROM refresh_tokens t' : FAMILIES;
    const [row] = await this.database.queryUnprepared<{ count: number }>(
      `SELECT count(*)::float8 AS count FROM (SELECT 1 ${from} ${where} LIMIT $1) AS matching`,
      values,
    );
    return row!.count;
  }

  /** The last of the next `rows` rows. Undefined if there are fewer. Reads only the index. */
  private async edgeOf(
    { issuedSince, issuedBefore }: FamilyFilter,
    after: Place | undefined,
    rows: number,
  ): Promise<Place | undefined> {
    const values: unknown[] = [rows - 1];
    const next = (value: unknown) => `$${values.push(value)}`;
    const where = whereOf([
      ...conditionsOf({ issuedSince, issuedBefore }, next),
      ...betweenOf({ after }, next),
    ]);
    const [row] = await this.database.queryUnprepared<Place & Record<string, unknown>>(
      `SELECT t.id, ${POSITION} FROM refresh_tokens t ${where} ORDER BY t.created_at DESC, t.id DESC LIMIT 1 OFFSET $1`,
      values,
    );
    return row;
  }
}

function whereOf(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
}

/** The conditions on times alone let the planner estimate the number of rows. */
function betweenOf({ after, edge }: Range, next: NextParameter): string[] {
  const beginning = after === undefined ? [] : [`(t.created_at, t.id) < ${rowOf(after, next)}`];
  if (edge === undefined) return beginning;
  const end = [`(t.created_at, t.id) >= ${rowOf(edge, next)}`, `t.created_at >= ${timeOf(edge, next)}`];
  return after === undefined ? end : [...beginning, `t.created_at <= ${timeOf(after, next)}`, ...end];
}

function placeIn(cursor: string): Place {
  const [, position = '', id = ''] = CURSORS.read(cursor);
  return { position, id };
}

function timeOf({ position }: Place, next: NextParameter): string {
  return `('epoch'::timestamptz + ${next(position)}::bigint * interval '1 microsecond')`;
}

function rowOf(place: Place, next: NextParameter): string {
  return `(${timeOf(place, next)}, ${next(place.id)}::uuid)`;
}

function withoutPosition({ position: _position, ...family }: Row): ListedFamily {
  return family;
}
