import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import type { Origin } from './audit-context.js';

export interface AuditEntry {
  readonly event: string;
  readonly cause?: string | undefined;
  readonly userId?: string | undefined;
  readonly actorId?: string | undefined;
  readonly sid?: string | undefined;
  readonly detail?: Record<string, unknown> | undefined;
}

/** Refusals of one cause from one address. */
export interface RefusalSum {
  readonly cause: string;
  readonly ip: string | null;
  readonly count: number;
}

const ADD = `
  INSERT INTO audit_events (event, cause, user_id, actor_id, sid, detail, ip, user_agent, request_id)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;

const ADD_ALL = `
  INSERT INTO audit_events (event, cause, user_id, actor_id, sid, detail, ip, user_agent, request_id)
  SELECT event, cause, user_id, actor_id, sid, detail, $2, $3, $4
  FROM json_to_recordset($1::json)
    AS entries (event text, cause text, user_id uuid, actor_id uuid, sid uuid, detail jsonb)`;

const ADD_REFUSALS = `
  INSERT INTO audit_events (event, cause, ip, count)
  SELECT 'refusal', cause, ip, count
  FROM json_to_recordset($1::json) AS sums (cause text, ip text, count integer)`;

/** Adds security events. What a statement elsewhere does by itself it also audits by itself, in the same statement. */
@Injectable()
export class AuditStore {
  constructor(private readonly database: Database) {}

  /** Committed with whatever else `sql` is the transaction of. */
  async add(entry: AuditEntry, origin: Origin, sql: Sql = this.database): Promise<void> {
    const { event, cause, userId, actorId, sid } = entry;
    const detail = detailOf(entry, origin);
    await sql.query(ADD, [
      event,
      cause ?? null,
      userId ?? null,
      actorId ?? null,
      sid ?? null,
      detail === undefined ? null : JSON.stringify(detail),
      origin.ip,
      origin.userAgent,
      origin.requestId,
    ]);
  }

  /** Like {@link add} for each, in one statement. */
  async addAll(entries: readonly AuditEntry[], origin: Origin, sql: Sql): Promise<void> {
    if (entries.length === 0) return;
    const rows = entries.map(({ userId, actorId, ...rest }) => ({
      ...rest,
      detail: detailOf(rest, origin),
      user_id: userId,
      actor_id: actorId,
    }));
    await sql.query(ADD_ALL, [JSON.stringify(rows), origin.ip, origin.userAgent, origin.requestId]);
  }

  async addRefusals(sums: readonly RefusalSum[]): Promise<void> {
    await this.database.query(ADD_REFUSALS, [JSON.stringify(sums)]);
  }
}

/** What was done on the command line says by whom. */
function detailOf(
  { detail }: Pick<AuditEntry, 'detail'>,
  { operator }: Origin,
): Record<string, unknown> | undefined {
  return operator === undefined ? detail : { ...detail, via: 'cli', operator };
}
