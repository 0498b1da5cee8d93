import { Injectable } from '@nestjs/common';
import { tryLockForTransaction } from '../../database/advisory-locks.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import type { Seal, SealedEvent } from './seal.js';

/** The ids are text here. So ORDER BY must name the table, or it would sort text. */
const COLUMNS = `
  id::text, first_id::text AS "firstId", last_id::text AS "lastId", count,
  (extract(epoch FROM sealed_at) * 1000000)::bigint::text AS "sealedAt",
  previous, hash, mac, key, refusals, refusals_hash AS "refusalsHash", second_mac AS "secondMac",
  second_key AS "secondKey", removed_mac AS "removedMac", removed_key AS "removedKey"`;

const NEWEST = `SELECT ${COLUMNS} FROM audit_seals ORDER BY audit_seals.id DESC LIMIT 1`;
const FROM = `SELECT ${COLUMNS} FROM audit_seals WHERE id >= $1 ORDER BY audit_seals.id LIMIT $2`;

const ADD = `
  INSERT INTO audit_seals (id, first_id, last_id, count, sealed_at, previous, hash, mac, key, refusals, refusals_hash,
    second_mac, second_key)
  VALUES ($1, $2, $3, $4, 'epoch'::timestamptz + $5::bigint * interval '1 microsecond', $6, $7, $8, $9, $10, $11, $12, $13)`;

const EVENTS = `
  SELECT id::text, (extract(epoch FROM at) * 1000000)::bigint::text AS at, event, cause, user_id::text,
    actor_id::text, sid::text, ip, user_agent, request_id, count::text, detail::text
  FROM audit_events WHERE id >= $1 AND id <= $2 ORDER BY audit_events.id LIMIT $3`;

/** A sequence is outside of transactions: it shows every assigned id, even of uncommitted events. */
const LAST_ALLOCATED_ID = `
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END::text AS id FROM audit_events_id_seq`;

const CLOCK = `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text AS now`;

/** The lock of a transaction that inserts. It is taken before an id is, and held until the commit or the rollback. */
const WRITERS = `
  SELECT DISTINCT virtualtransaction AS writer FROM pg_locks
  WHERE locktype = 'relation' AND relation = 'audit_events'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pid IS DISTINCT FROM pg_backend_pid()`;

/** Held until the transaction ends, so a dead node does not keep it. */
const LOCK = tryLockForTransaction('sealing');

const BELOW = `SELECT min(id)::text AS first, max(id)::text AS last, count(*)::integer AS count FROM audit_events WHERE id < $1`;
const ABOVE = `
  SELECT count(*)::integer AS count, (extract(epoch FROM clock_timestamp() - min(at)))::float8 AS age
  FROM (SELECT at FROM audit_events WHERE id > $1 ORDER BY id LIMIT 100000) AS unsealed`;

const OLDEST_ABOVE = `
  SELECT extract(epoch FROM clock_timestamp() - at)::float8 AS age FROM audit_events WHERE id > $1 ORDER BY id LIMIT 1`;

const HIGHEST = `SELECT coalesce(max(id), 0)::text AS id FROM audit_events`;
const TOTAL = `SELECT coalesce(sum(count), 0)::float8 AS events FROM audit_seals WHERE removed_mac IS NULL`;

const ALLOW_REMOVAL = `SELECT set_config('tandem.audit_retention', 'on', true)`;
const REMOVE_EVENTS = `DELETE FROM audit_events WHERE id <= $1 RETURNING 1`;
const REMOVE_SEALS = `DELETE FROM audit_seals WHERE id < $1`;
const MARK_REMOVED = `UPDATE audit_seals SET removed_mac = $2, removed_key = $3 WHERE id = $1`;
const OLD = `
  SELECT ${COLUMNS} FROM audit_seals
  WHERE removed_mac IS NULL AND sealed_at < clock_timestamp() - make_interval(days => $1)
  ORDER BY audit_seals.id LIMIT $2`;

/** The newest acceptance of an end of the chain by an administrator. */
const LAST_ACCEPTED = `
  SELECT detail FROM audit_events WHERE event = 'audit' AND cause = 'accepted' ORDER BY id DESC LIMIT 1`;

/** Seals with refusals older than a number of days, starting at the oldest refusal that still exists. */
const OLD_REFUSALS = `
  SELECT ${COLUMNS} FROM audit_seals
  WHERE refusals > 0 AND last_id > $1 AND sealed_at < clock_timestamp() - make_interval(days => $2)
    AND last_id >= (SELECT min(id) FROM audit_events WHERE event = 'refusal')
  ORDER BY audit_seals.last_id LIMIT $3`;

const REMOVE_REFUSALS = `
  DELETE FROM audit_events
  USING unnest($1::bigint[], $2::bigint[]) AS ranges (first_id, last_id)
  WHERE event = 'refusal' AND id BETWEEN ranges.first_id AND ranges.last_id RETURNING 1`;

/** All SQL for seals and for the sealed events. */
@Injectable()
export class SealStore {
  constructor(private readonly database: Database) {}

  /** Runs `work` in a transaction. Returns undefined if another node holds the lock. */
  async withLock<T>(work: (sql: Sql) => Promise<T>): Promise<T | undefined> {
    return this.database.transaction(async (sql) => {
      const [row] = await sql.query<{ acquired: boolean }>(LOCK);
      return row?.acquired === true ? work(sql) : undefined;
    });
  }

  async newest(sql: Sql = this.database): Promise<Seal | undefined> {
    return (await sql.query<Seal & Record<string, unknown>>(NEWEST))[0];
  }

  async from(id: string, limit: number, sql: Sql = this.database): Promise<Seal[]> {
    return sql.query<Seal & Record<string, unknown>>(FROM, [id, limit]);
  }

  async add(sql: Sql, seal: Seal): Promise<void> {
    const { id, firstId, lastId, count, sealedAt, previous, hash, mac, key } = seal;
    const { refusals, refusalsHash, secondMac, secondKey } = seal;
    const range = [id, firstId, lastId, count, sealedAt, previous, hash, mac, key];
    await sql.query(ADD, [...range, refusals, refusalsHash, secondMac, secondKey]);
  }

  /** Events in the order of ids, `to` included. */
  async events(from: string, to: string, limit: number, sql: Sql = this.database): Promise<SealedEvent[]> {
    return sql.query<SealedEvent & Record<string, unknown>>(EVENTS, [from, to, limit]);
  }

  /** The last event id that the sequence has allocated, also for uncommitted events. */
  async lastAllocatedId(sql: Sql = this.database): Promise<string> {
    return (await sql.query<{ id: string }>(LAST_ALLOCATED_ID))[0]!.id;
  }

  /** The database's time in microseconds since the epoch. */
  async clock(sql: Sql = this.database): Promise<string> {
    return (await sql.query<{ now: string }>(CLOCK))[0]!.now;
  }

  async writers(sql: Sql): Promise<Set<string>> {
    const rows = await sql.query<{ writer: string }>(WRITERS);
    return new Set(rows.map(({ writer }) => writer));
  }

  /** The first, the last and the number of events before an id. */
  async below(id: string): Promise<{ first: string | null; last: string | null; count: number }> {
    return (await this.database.query<{ first: string; last: string; count: number }>(BELOW, [id]))[0]!;
  }

  /** How many events come after an id (counts at most 100,000), and the age of the first in seconds. */
  async above(id: string): Promise<{ readonly count: number; readonly age: number | null }> {
    return (await this.database.query<{ count: number; age: number | null }>(ABOVE, [id]))[0]!;
  }

  /** The detail of the newest acceptance of an end of the chain; undefined if there is none. */
  async lastAccepted(): Promise<unknown> {
    return (await this.database.query<{ detail: unknown }>(LAST_ACCEPTED))[0]?.detail;
  }

  /** The age of the first event after an id in seconds; 0 if there is none. */
  async ageAbove(id: string): Promise<number> {
    return (await this.database.query<{ age: number }>(OLDEST_ABOVE, [id]))[0]?.age ?? 0;
  }

  /** The highest id of an event. */
  async highest(): Promise<string> {
    return (await this.database.query<{ id: string }>(HIGHEST))[0]!.id;
  }

  /** The number of events according to the seals. */
  async sealedEvents(): Promise<number> {
    return (await this.database.query<{ events: number }>(TOTAL))[0]!.events;
  }

  /** Returns the oldest seals, older than a number of days, whose events were not removed. */
  async olderThan(sql: Sql, days: number, limit: number): Promise<Seal[]> {
    return sql.query<Seal & Record<string, unknown>>(OLD, [days, limit]);
  }

  /** Returns the oldest seals after an event id that hash refusals separately and are older than a number of days. */
  async withOldRefusals(sql: Sql, after: string, days: number, limit: number): Promise<Seal[]> {
    return sql.query<Seal & Record<string, unknown>>(OLD_REFUSALS, [after, days, limit]);
  }

  /** Removes only the refusals of the seals. Returns how many. */
  async removeRefusals(sql: Sql, seals: readonly Seal[]): Promise<number> {
    await sql.query(ALLOW_REMOVAL);
    const ranges = [seals.map(({ firstId }) => firstId), seals.map(({ lastId }) => lastId)];
    return (await sql.query(REMOVE_REFUSALS, ranges)).length;
  }

  /** Marks the seal as the beginning of the chain. Removes the seals before it and all events up to its last. Returns how many events. */
  async removeThrough(sql: Sql, seal: Seal, mac: Buffer, key: string): Promise<number> {
    await this.markRemoved(sql, seal, mac, key);
    const removed = await sql.query(REMOVE_EVENTS, [seal.lastId]);
    await sql.query(REMOVE_SEALS, [seal.id]);
    return removed.length;
  }

  async markRemoved(sql: Sql, seal: Seal, mac: Buffer, key: string): Promise<void> {
    await sql.query(ALLOW_REMOVAL);
    await sql.query(MARK_REMOVED, [seal.id, mac, key]);
  }
}
