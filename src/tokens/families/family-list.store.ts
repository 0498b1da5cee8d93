import { Injectable } from '@nestjs/common';
import { cursorsOf } from '../../common/pagination.js';
import { Database } from '../../database/database.js';
import type { RevocationReason, TokenDelivery } from './refresh-token.entity.js';

/** A token family as administrators see it. */
export interface ListedFamily {
  readonly id: string;
  readonly user_id: string;
  readonly username: string;
  readonly external_id: string | null;
  readonly created_at: Date;
  readonly last_used_at: Date;
  readonly expires_at: Date;
  /** Of the last use. */
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly delivery: TokenDelivery;
  readonly state: 'active' | 'expired' | 'revoked';
  readonly revoked_at: Date | null;
  readonly revoke_reason: RevocationReason | null;
}

type Row = ListedFamily & { readonly position: string };

export interface FamilyListFilter {
  readonly userId?: string | undefined;
  /** The user with exactly this external id. */
  readonly externalId?: string | undefined;
  /** In the spelling of `canonicalAddress`. */
  readonly ip?: string | undefined;
  readonly active?: boolean | undefined;
}

export interface FamilyPage {
  readonly tokens: ListedFamily[];
  readonly next_cursor: string | null;
}

const COLUMNS = `
  t.id, t.user_id, u.username, u.external_id, t.created_at, t.last_used_at, t.expires_at, t.ip, t.user_agent, t.delivery,
  CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' WHEN t.expires_at <= now() THEN 'expired' ELSE 'active' END AS state,
  t.revoked_at, t.revoke_reason`;

/** In microseconds like PostgreSQL: with milliseconds, a page could skip or repeat rows of one millisecond. */
const POSITION = `(extract(epoch FROM t.created_at) * 1000000)::bigint::text AS position`;

const IS_ACTIVE = `(t.revoked_at IS NULL AND t.expires_at > now())`;

const EXISTS = `SELECT 1 FROM refresh_tokens WHERE id = $1`;

/** `microseconds.id` of the last row of a page. */
const CURSORS = cursorsOf('tokens', /^(\d{1,16})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/);

/** Reads the token families of all users. */
@Injectable()
export class FamilyListStore {
  constructor(private readonly database: Database) {}

  /** A page of families, the newest first. Throws 400 for an invalid cursor. */
  async page(filter: FamilyListFilter, limit: number, cursor: string | undefined): Promise<FamilyPage> {
    const values: unknown[] = [limit + 1];
    const next = (value: unknown) => `$${values.push(value)}`;
    const conditions: string[] = [];
    if (filter.userId !== undefined) conditions.push(`t.user_id = ${next(filter.userId)}::uuid`);
    if (filter.externalId !== undefined) conditions.push(`u.external_id = ${next(filter.externalId)}`);
    if (filter.ip !== undefined) conditions.push(`t.ip = ${next(filter.ip)}`);
    if (filter.active !== undefined) conditions.push(filter.active ? IS_ACTIVE : `NOT ${IS_ACTIVE}`);
    if (cursor !== undefined) {
      const [, microseconds, id] = CURSORS.read(cursor);
      conditions.push(
        `(t.created_at, t.id) < ('epoch'::timestamptz + ${next(microseconds)}::bigint * interval '1 microsecond', ${next(id)}::uuid)`,
      );
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const rows = await this.database.query<Row & Record<string, unknown>>(
      `SELECT ${COLUMNS}, ${POSITION} FROM refresh_tokens t JOIN users u ON u.id = t.user_id
      ${where} ORDER BY t.created_at DESC, t.id DESC LIMIT $1`,
      values,
    );
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      tokens: page.map(withoutPosition),
      next_cursor: last === undefined ? null : CURSORS.write(`${last.position}.${last.id}`),
    };
  }

  /** Whether the family exists, also if it is revoked or expired. */
  async exists(sid: string): Promise<boolean> {
    return (await this.database.query(EXISTS, [sid])).length > 0;
  }
}

function withoutPosition({ position: _position, ...family }: Row): ListedFamily {
  return family;
}
