import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { lockForTransaction } from '../../database/advisory-locks.js';
import type { Sql } from '../../database/database.js';

/** The slots of a minute are those of the last 60 s, in steps of ten. */
const SLOT = `floor(extract(epoch FROM clock_timestamp()) / 10)::bigint`;

const ADD = `
  INSERT INTO source_tallies AS t (node, slot, queries, missing) SELECT $1::uuid, ${SLOT}, $2::integer, $3::integer
  ON CONFLICT (node, slot) DO UPDATE SET queries = t.queries + excluded.queries, missing = t.missing + excluded.missing`;

const FORGET = `DELETE FROM source_tallies WHERE slot < ${SLOT} - 12`;

const FIGURES = `
  SELECT coalesce(sum(t.queries), 0)::integer AS queries, coalesce(sum(t.missing), 0)::integer AS missing,
    s.alarm_since IS NOT NULL AS alarmed, coalesce(s.confirmed_until > clock_timestamp(), false) AS confirmed
  FROM source_state s LEFT JOIN source_tallies t ON t.slot > ${SLOT} - 6
  GROUP BY s.id`;

const SET_ALARM = `
  UPDATE source_state SET alarm_since = CASE WHEN $1 THEN coalesce(alarm_since, clock_timestamp()) END`;

const CONFIRM = `
  UPDATE source_state SET alarm_since = NULL, confirmed_until = clock_timestamp() + make_interval(mins => $1)`;

const NOTE = `
  UPDATE source_state SET faults = faults || jsonb_build_object($1::text, floor(extract(epoch FROM clock_timestamp())))`;

const FAULTS = `
  SELECT f.key AS fault, to_timestamp(f.value::float8) AS at
  FROM source_state s, jsonb_each_text(s.faults) f
  WHERE f.value::float8 > extract(epoch FROM clock_timestamp() - interval '1 day') ORDER BY f.value::float8 DESC`;

const ALARM = `SELECT alarm_since AS since FROM source_state`;

const LOCK = lockForTransaction('missingUsers');

/** The queries by id of all nodes in the last minute, and the alarm. */
export interface SourceFigures {
  readonly queries: number;
  readonly missing: number;
  readonly alarmed: boolean;
  /** An operator has confirmed that the missing users are gone. */
  readonly confirmed: boolean;
}

/** The SQL of what all nodes know about the users source. */
@Injectable()
export class SourceStateStore {
  constructor(private readonly database: Database) {}

  /**
   * Adds the queries of a node and passes the figures of all nodes to `decide`, which returns whether there is an alarm. One caller at a
   * time.
   */
  async update(
    node: string,
    added: Pick<SourceFigures, 'queries' | 'missing'>,
    decide: (figures: SourceFigures) => boolean,
  ): Promise<SourceFigures> {
    return this.database.transaction(async (sql) => {
      await sql.query(LOCK);
      if (added.queries > 0) await sql.query(ADD, [node, added.queries, added.missing]);
      const figures = (await sql.query<SourceFigures & Record<string, unknown>>(FIGURES))[0]!;
      const alarmed = decide(figures);
      if (alarmed !== figures.alarmed) await sql.query(SET_ALARM, [alarmed]);
      return { ...figures, alarmed };
    });
  }

  async forgetOld(sql: Sql = this.database): Promise<void> {
    await sql.query(FORGET);
  }

  /** Ends the alarm. Missing users count as gone for this number of minutes. */
  async confirm(minutes: number): Promise<void> {
    await this.database.query(CONFIRM, [minutes]);
  }

  /** Since when there is an alarm; null: there is none. */
  async alarm(): Promise<Date | null> {
    return (await this.database.query<{ since: Date | null }>(ALARM))[0]!.since;
  }

  /** Keeps a fault for the doctor, for a day. */
  async note(fault: string): Promise<void> {
    await this.database.query(NOTE, [fault]);
  }

  /** The faults of the last day, newest first. */
  faults(): Promise<{ readonly fault: string; readonly at: Date }[]> {
    return this.database.query<{ fault: string; at: Date }>(FAULTS);
  }
}
