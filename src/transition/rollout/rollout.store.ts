import { Injectable } from '@nestjs/common';
import { NO_ORIGIN } from '../../audit/audit-context.js';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { ServiceStateStore } from '../../database/service-state.store.js';
import { changesOf } from './rollout-view.js';
import type { RolloutSettings, RolloutState } from './rollout-state.js';

/** The topic by which nodes follow the state. */
export const ROLLOUT_TOPIC = 'rollout';

/** Why a version was added. */
export type RolloutCause = 'created' | 'changed' | 'rolled_back' | 'plan_advanced' | 'plan_rolled_back';

/** Who or what adds a version. */
export interface Change {
  readonly cause: RolloutCause;
  readonly actorId?: string | undefined;
  /** The reason, for the audit. */
  readonly why?: string;
}

/** The current state, with what a change needs to know. */
export interface Current extends RolloutState {
  readonly parent: number | null;
  readonly cause: RolloutCause;
  /** The database's clock in milliseconds. */
  readonly now: number;
}

export const STATE_COLUMNS = `
  version, parent, phase, percentage, roles, user_ids AS "userIds", drain, brownouts,
  round(extract(epoch FROM sunset_at) * 1000)::float8 AS "sunsetAt"`;

const CURRENT = `
  SELECT ${STATE_COLUMNS}, cause, extract(epoch FROM clock_timestamp())::float8 * 1000 AS now
  FROM rollout_versions ORDER BY version DESC LIMIT 1`;

const ONE = `SELECT ${STATE_COLUMNS} FROM rollout_versions WHERE version = $1`;

const NOW = `SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now`;

const ADD = `
  INSERT INTO rollout_versions
    (version, parent, actor_id, operator, cause, phase, percentage, roles, user_ids, drain, sunset_at, brownouts)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, to_timestamp($11::float8 / 1000), $12)`;

/** Reads and adds states of the rollout. A change holds the lock of the service's state, so that no change is lost. */
@Injectable()
export class RolloutStore {
  constructor(
    private readonly database: Database,
    private readonly state: ServiceStateStore,
    private readonly audit: AuditStore,
  ) {}

  /** Returns the current state; undefined on a new database. */
  async current(sql: Sql = this.database): Promise<Current | undefined> {
    return (await sql.query<Current & Record<string, unknown>>(CURRENT))[0];
  }

  async find(
    sql: Sql,
    version: number,
  ): Promise<(RolloutState & { readonly parent: number | null }) | undefined> {
    return (await sql.query<Current & Record<string, unknown>>(ONE, [version]))[0];
  }

  /** The state of a new database. The first node makes it, once. */
  async begin(first: (now: number) => RolloutSettings): Promise<RolloutState> {
    return this.database.transaction(async (sql) => {
      await this.state.lock(sql);
      const current = await this.current(sql);
      if (current !== undefined) return current;
      const [{ now }] = (await sql.query<{ now: number }>(NOW)) as [{ now: number }];
      return this.add(sql, undefined, first(now), null, { cause: 'created' }, NO_ORIGIN);
    });
  }

  /** Runs `work` with the current state, while nobody else changes it. */
  async withLock<T>(work: (sql: Sql, current: Current) => Promise<T>): Promise<T> {
    return this.database.transaction(async (sql) => {
      await this.state.lock(sql);
      return work(sql, (await this.current(sql))!);
    });
  }

  /**
   * Makes `next` the current state, with an audit event. Call it in {@link withLock}. A rollback of it leads to `parent`.
   */
  async add(
    sql: Sql,
    current: RolloutState | undefined,
    next: RolloutSettings,
    parent: number | null,
    { cause, actorId, why }: Change,
    origin: Origin,
  ): Promise<RolloutState> {
    const version = (current?.version ?? 0) + 1;
    const { phase, percentage, roles, userIds, drain, sunsetAt, brownouts } = next;
    const settings = [phase, percentage, roles, userIds, drain, sunsetAt, JSON.stringify(brownouts)];
    const who = [actorId ?? null, origin.operator ?? null];
    await sql.query(ADD, [version, parent, ...who, cause, ...settings]);
    await this.state.bump(sql, ROLLOUT_TOPIC);
    const detail = { version, changes: changesOf(current, next), ...(why === undefined ? {} : { why }) };
    await this.audit.add({ event: 'rollout', cause, actorId, detail }, origin, sql);
    return { version, phase, percentage, roles, userIds, drain, sunsetAt, brownouts };
  }
}
