import { Injectable } from '@nestjs/common';
import { Database } from './database.js';
import type { Sql } from './database.js';

const ADOPT_ISSUER = `
  UPDATE service_state SET issuer = coalesce(issuer, $1) RETURNING issuer`;

const BUMP = `
  UPDATE service_state
  SET versions = jsonb_set(versions, ARRAY[$1::text], to_jsonb(coalesce((versions ->> $1::text)::integer, 0) + 1))`;

const RAISE_FAILURE_FLOOR = `
  UPDATE service_state SET failure_floor = $1 WHERE failure_floor < $1 RETURNING id`;

const FAILURE_FLOOR = `SELECT failure_floor FROM service_state`;

const LOCK = `SELECT secret_fingerprint FROM service_state FOR UPDATE`;

const SET_FINGERPRINT = `UPDATE service_state SET secret_fingerprint = $1`;

/** Bumped when the time that failed logins take has been raised. */
export const FAILURE_FLOOR_TOPIC = 'failure_floor';

/** What all nodes of one installation agree on. */
@Injectable()
export class ServiceStateStore {
  constructor(private readonly database: Database) {}

  /** The first node's proposal stands for all of them. */
  async adoptIssuer(proposal: string): Promise<string> {
    const [row] = await this.database.query<{ issuer: string }>(ADOPT_ISSUER, [proposal]);
    return row!.issuer;
  }

  /** Every node that follows `topic` reads it again within a second of the commit. */
  async bump(sql: Sql, topic: string): Promise<void> {
    await sql.query(BUMP, [topic]);
  }

  /** Milliseconds; those who follow {@link FAILURE_FLOOR_TOPIC} read it again. A lower one changes nothing. */
  async raiseFailureFloor(sql: Sql, floor: number): Promise<void> {
    const raised = await sql.query(RAISE_FAILURE_FLOOR, [floor]);
    if (raised.length > 0) await this.bump(sql, FAILURE_FLOOR_TOPIC);
  }

  async failureFloor(): Promise<number> {
    const [row] = await this.database.query<{ failure_floor: number }>(FAILURE_FLOOR);
    return row!.failure_floor;
  }

  /** Until the transaction ends no other node passes here. Returns the fingerprint of the installation's JWT_SECRET. */
  async lock(sql: Sql): Promise<string | null> {
    const [row] = await sql.query<{ secret_fingerprint: string | null }>(LOCK);
    return row!.secret_fingerprint;
  }

  async setFingerprint(sql: Sql, fingerprint: string): Promise<void> {
    await sql.query(SET_FINGERPRINT, [fingerprint]);
  }
}
