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

/** Refusals of one cause from one network: an IPv4 address, or the /64 of an IPv6 address. */
export interface RefusalSum {
  readonly cause: string;
  readonly ip: string | null;
  readonly count: number;
}

const ADD = `
  INSERT INTO audit_events (event, cause, user_id, actor_id, sid, detail, ip, user_agent, request_id)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;

/** Adds an event unless the last day has the same one. Takes the values of {@link ADD}. */
const ADD_DAILY = `
  INSERT INTO audit_events (event, cause, user_id, actor_id, sid, detail, ip, user_agent, request_id)
  SELECT $1, $2, $3::uuid, $4::uuid, $5::uuid, $6::jsonb, $7, $8, $9
  WHERE NOT EXISTS (
    SELECT 1 FROM audit_events
    WHERE event = $1 AND cause = $2 AND detail = $6::jsonb AND at > clock_timestamp() - interval '1 day')`;

const ADD_ALL = `
  INSERT INTO audit_events (event, cause, user_id, actor_id, sid, detail, ip, user_agent, request_id)
  SELECT event, cause, user_id, actor_id, sid, detail, $2, $3, $4
  FROM json_to_recordset($1::json)
    AS entries (event text, cause text, user_id uuid, actor_id uuid, sid uuid, detail jsonb)`;

const ADD_REFUSALS = `
  INSERT INTO audit_events (event, cause, ip, count)
  SELECT 'refusal', cause, ip, count
  FROM json_to_recordset($1::json) AS sums (cause text, ip text, count integer)`;

/** Adds security events. Some statements of other stores write their event themselves, in the same statement. */
@Injectable()
export class AuditStore {
  constructor(private readonly database: Database) {}

  /** Adds an event in the transaction of `sql`. */
  async add(entry: AuditEntry, origin: Origin, sql: Sql = this.database): Promise<void> {
    await sql.query(ADD, valuesOf(entry, origin));
  }

  /** Adds an event, unless the last day has one with the same cause and detail. */
  async addDaily(entry: AuditEntry, origin: Origin, sql: Sql): Promise<void> {
    await sql.query(ADD_DAILY, valuesOf(entry, origin));
  }

  /** Adds several events in one statement. */
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

function valuesOf(entry: AuditEntry, origin: Origin): unknown[] {
  const { event, cause, userId, actorId, sid } = entry;
  const detail = detailOf(entry, origin);
  return [
    event,
    cause ?? null,
    userId ?? null,
    actorId ?? null,
    sid ?? null,
    detail === undefined ? null : JSON.stringify(detail),
    origin.ip,
    origin.userAgent,
    origin.requestId,
  ];
}

/** Adds the operator to events of the command line. */
function detailOf(
  { detail }: Pick<AuditEntry, 'detail'>,
  { operator }: Origin,
): Record<string, unknown> | undefined {
  return operator === undefined ? detail : { ...detail, via: 'cli', operator };
}
