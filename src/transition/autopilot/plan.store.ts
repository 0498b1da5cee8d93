import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import type { Plan, PlanBase, PlanSettings, PlanState } from './plan.js';

/** The time after which another node takes over from one that has disappeared, in seconds. */
const LEASE = 10;

const COLUMNS = `
  revision, enabled, steps, min_requests AS "minRequests", max_false_alarm AS "maxFalseAlarm", tolerance,
  drain_on_rollback AS "drainOnRollback", state, why, position, base,
  extract(epoch FROM since)::float8 * 1000 AS since, looks AS evaluations, rollout_version AS "rolloutVersion"`;

const READ = `SELECT ${COLUMNS} FROM rollout_plan`;

const PUT = `
  UPDATE rollout_plan SET revision = revision + 1, enabled = $1, steps = $2, min_requests = $3, max_false_alarm = $4,
    tolerance = $5, drain_on_rollback = $6, state = $7, why = $8, position = NULL, base = $9, since = NULL, looks = 0,
    rollout_version = $10
  RETURNING ${COLUMNS}`;

const TAKE = `
  UPDATE rollout_plan
  SET lease_holder = $1, lease_until = clock_timestamp() + make_interval(secs => ${LEASE}), looks = looks + 1
  WHERE state = 'running' AND (lease_holder = $1 OR lease_until IS NULL OR lease_until < clock_timestamp())
  RETURNING ${COLUMNS}`;

const RELEASE = `UPDATE rollout_plan SET lease_holder = NULL, lease_until = NULL WHERE lease_holder = $1`;

const MOVE = `
  UPDATE rollout_plan SET revision = revision + 1, enabled = ($3 = 'running'), state = $3, why = $4,
    position = $5::integer, since = CASE WHEN position IS NOT DISTINCT FROM $5::integer THEN since
      ELSE to_timestamp($6::float8 / 1000) END,
    looks = CASE WHEN position IS NOT DISTINCT FROM $5::integer THEN looks ELSE 0 END, rollout_version = $7
  WHERE revision = $1 AND state = 'running' AND lease_holder = $2 AND lease_until > clock_timestamp()
  RETURNING revision`;

const LAST_CHANGE = `
  SELECT at, cause, actor_id, (SELECT username FROM users WHERE id = actor_id) AS actor
  FROM audit_events WHERE event = 'rollout' AND cause LIKE 'plan%' ORDER BY id DESC LIMIT 1`;

/** The last change of the plan, in the form for administrators. */
export interface PlanChange {
  readonly at: Date;
  readonly cause: string;
  readonly actor_id: string | null;
  /** The name of the actor. */
  readonly actor: string | null;
}

/** The next state of a plan. */
export interface Move {
  readonly state: PlanState;
  readonly why: string;
  readonly position: number | null;
  /** Milliseconds on the database's clock. */
  readonly now: number;
  readonly rolloutVersion: number;
}

/** The SQL of the plan's table. */
@Injectable()
export class PlanStore {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditStore,
  ) {}

  async read(sql: Sql = this.database): Promise<Plan> {
    return (await sql.query<Plan & Record<string, unknown>>(READ))[0]!;
  }

  /** Returns who changed the plan last; undefined if the audit trail no longer contains it. */
  async lastChange(): Promise<PlanChange | undefined> {
    return (await this.database.query<PlanChange & Record<string, unknown>>(LAST_CHANGE))[0];
  }

  /** Replaces the plan and restarts it. Audited in the transaction of `sql`. */
  async put(
    sql: Sql,
    settings: PlanSettings,
    why: string,
    base: PlanBase,
    rolloutVersion: number,
    by: { readonly actorId: string | undefined; readonly origin: Origin },
  ): Promise<Plan> {
    const { enabled, steps, minRequests, maxFalseAlarm, tolerance, drainOnRollback } = settings;
    const values = [enabled, JSON.stringify(steps), minRequests, maxFalseAlarm, tolerance, drainOnRollback];
    const state: PlanState = enabled ? 'running' : 'off';
    const place = [state, why, JSON.stringify(base), rolloutVersion];
    const [plan] = await sql.query<Plan & Record<string, unknown>>(PUT, [...values, ...place]);
    const detail = { ...settings };
    await this.audit.add(
      { event: 'rollout', cause: 'plan_changed', actorId: by.actorId, detail },
      by.origin,
      sql,
    );
    return plan!;
  }

  /** The plan, if it is running and `node` gets or holds its lease. Extends the lease and counts an evaluation. */
  async take(node: string): Promise<Plan | undefined> {
    return (await this.database.query<Plan & Record<string, unknown>>(TAKE, [node]))[0];
  }

  /** Gives up the lease, so that another node can act at once. */
  async release(node: string): Promise<void> {
    await this.database.query(RELEASE, [node]);
  }

  /**
   * Changes the state of the plan if it still has that revision and `node` holds the lease. Otherwise false, and nothing changed: so no
   * step is taken twice.
   */
  async move(sql: Sql, node: string, revision: number, to: Move): Promise<boolean> {
    const { state, why, position, now, rolloutVersion } = to;
    const values = [revision, node, state, why, position, now, rolloutVersion];
    return (await sql.query(MOVE, values)).length > 0;
  }
}
