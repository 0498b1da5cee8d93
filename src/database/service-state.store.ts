import { Injectable } from '@nestjs/common';
import type { Macs } from '../common/crypto/row-macs.js';
import { Database } from './database.js';
import type { Sql } from './database.js';

const ADOPT_ISSUER = `
  UPDATE service_state
  SET issuer = coalesce(issuer, $1),
    macs = CASE WHEN issuer IS NULL THEN macs || jsonb_build_object('issuer', $2::jsonb) ELSE macs END
  RETURNING issuer`;

const ISSUER = `SELECT issuer, macs -> 'issuer' AS macs FROM service_state`;

const SET_ISSUER_MACS = `
  UPDATE service_state SET macs = macs || jsonb_build_object('issuer', $1::jsonb)`;

const TOKEN_EXPIRY = `
  SELECT token_expiry AS expiry, max_token_expiry AS "maxTokenLifetime", macs -> 'token_expiry' AS macs FROM service_state`;

const SET_TOKEN_EXPIRY = `
  UPDATE service_state SET token_expiry = $1, macs = macs || jsonb_build_object('token_expiry', $2::jsonb)`;

const ADMIN_ROLE = `SELECT admin_role AS role, macs -> 'admin_role' AS macs FROM service_state`;

const SET_ADMIN_ROLE = `
  UPDATE service_state SET admin_role = $1, macs = macs || jsonb_build_object('admin_role', $2::jsonb)`;

const NOTE_REFUSED_ADMIN = `
  UPDATE service_state SET refused_admins = jsonb_build_object(
    'channel', $1::text, 'at', extract(epoch FROM clock_timestamp()))`;

const REFUSED_ADMIN = `
  SELECT refused_admins ->> 'channel' AS channel FROM service_state
  WHERE (refused_admins ->> 'at')::float8 > extract(epoch FROM clock_timestamp() - interval '1 day')`;

const BUMP = `
  UPDATE service_state
  SET versions = jsonb_set(versions, ARRAY[$1::text], to_jsonb(coalesce((versions ->> $1::text)::integer, 0) + 1))`;

const RAISE_FAILURE_FLOOR = `
  UPDATE service_state SET failure_floor = $1 WHERE failure_floor < $1 RETURNING id`;

const FAILURE_FLOOR = `SELECT failure_floor FROM service_state`;

const LOCK = `SELECT secret_fingerprint FROM service_state FOR UPDATE`;

const SET_FINGERPRINT = `UPDATE service_state SET secret_fingerprint = $1`;

const NOTE_UNTRUSTED_PROXY = `
  UPDATE service_state SET untrusted_proxy = jsonb_build_object(
    'peer', $1::text, 'header', $2::text, 'at', extract(epoch FROM clock_timestamp()))`;

const UNTRUSTED_PROXY = `
  SELECT untrusted_proxy ->> 'peer' AS peer, untrusted_proxy ->> 'header' AS header FROM service_state
  WHERE (untrusted_proxy ->> 'at')::float8 > extract(epoch FROM clock_timestamp() - interval '1 day')`;

/** A peer that sent a proxy header and is not in TRUST_PROXY. */
export interface UntrustedProxy {
  readonly peer: string;
  /** The name of the header, in lower case. */
  readonly header: string;
}

/** The stored token lifetimes, in seconds. */
export interface StoredTokenExpiry {
  /** The greatest TOKEN_EXPIRY of any node; null before the first start of a release that stores it. */
  readonly expiry: number | null;
  /** The longest lifetime of a token, including the clock tolerance. */
  readonly maxTokenLifetime: number;
  /** MACs over `expiry`; see `common/crypto/row-macs.ts`. */
  readonly macs: unknown;
}

/** The topic for the minimum duration of failed logins. */
export const FAILURE_FLOOR_TOPIC = 'failure_floor';

/** The state that all nodes of one installation share: one row. */
@Injectable()
export class ServiceStateStore {
  constructor(private readonly database: Database) {}

  /** Stores the proposal if no node has stored one before. Returns the stored issuer. `macs`: over the proposal. */
  async adoptIssuer(proposal: string, macs: Macs): Promise<string> {
    const [row] = await this.database.query<{ issuer: string }>(ADOPT_ISSUER, [
      proposal,
      JSON.stringify(macs),
    ]);
    return row!.issuer;
  }

  /** The stored issuer (null before the first start) and the MACs over it. */
  async issuer(sql: Sql): Promise<{ readonly issuer: string | null; readonly macs: unknown }> {
    return (await sql.query<{ issuer: string | null; macs: unknown }>(ISSUER))[0]!;
  }

  async setIssuerMacs(sql: Sql, macs: Macs): Promise<void> {
    await sql.query(SET_ISSUER_MACS, [JSON.stringify(macs)]);
  }

  async tokenExpiry(sql: Sql): Promise<StoredTokenExpiry> {
    return (await sql.query<StoredTokenExpiry & Record<string, unknown>>(TOKEN_EXPIRY))[0]!;
  }

  async setTokenExpiry(sql: Sql, seconds: number, macs: Macs): Promise<void> {
    await sql.query(SET_TOKEN_EXPIRY, [seconds, JSON.stringify(macs)]);
  }

  /** The stored role of administrators (null before the first start) and the MACs over it. */
  async adminRole(
    sql: Sql = this.database,
  ): Promise<{ readonly role: string | null; readonly macs: unknown }> {
    return (await sql.query<{ role: string | null; macs: unknown }>(ADMIN_ROLE))[0]!;
  }

  async setAdminRole(sql: Sql, role: string, macs: Macs): Promise<void> {
    await sql.query(SET_ADMIN_ROLE, [role, JSON.stringify(macs)]);
  }

  /** Notes that the product wanted to make an administrator without permission. Replaces the previous note. */
  async noteRefusedAdmin(channel: string): Promise<void> {
    await this.database.query(NOTE_REFUSED_ADMIN, [channel]);
  }

  /** The channel of the last note, if it was made within a day. */
  async refusedAdmin(): Promise<string | undefined> {
    return (await this.database.query<{ channel: string }>(REFUSED_ADMIN))[0]?.channel;
  }

  /** Makes every subscriber of `topic` read again within a second of the commit. */
  async bump(sql: Sql, topic: string): Promise<void> {
    await sql.query(BUMP, [topic]);
  }

  /** Raises the minimum duration of failed logins, in milliseconds, and bumps {@link FAILURE_FLOOR_TOPIC}. Never lowers it. */
  async raiseFailureFloor(sql: Sql, floor: number): Promise<void> {
    const raised = await sql.query(RAISE_FAILURE_FLOOR, [floor]);
    if (raised.length > 0) await this.bump(sql, FAILURE_FLOOR_TOPIC);
  }

  /** The minimum duration of failed logins, in milliseconds. */
  async failureFloor(): Promise<number> {
    const [row] = await this.database.query<{ failure_floor: number }>(FAILURE_FLOOR);
    return row!.failure_floor;
  }

  /** Locks the row until the transaction ends. Returns the fingerprint of the installation's JWT_SECRET. */
  async lock(sql: Sql): Promise<string | null> {
    const [row] = await sql.query<{ secret_fingerprint: string | null }>(LOCK);
    return row!.secret_fingerprint;
  }

  async setFingerprint(sql: Sql, fingerprint: string): Promise<void> {
    await sql.query(SET_FINGERPRINT, [fingerprint]);
  }

  /** Replaces the previous note. */
  async noteUntrustedProxy(peer: string, header: string): Promise<void> {
    await this.database.query(NOTE_UNTRUSTED_PROXY, [peer, header]);
  }

  /** The last note, if a node made it within a day. */
  async untrustedProxy(): Promise<UntrustedProxy | undefined> {
    return (await this.database.query<UntrustedProxy & Record<string, unknown>>(UNTRUSTED_PROXY))[0];
  }
}
