import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { ServiceStateStore } from '../../database/service-state.store.js';
import type { StoredKey } from './key-material.js';
import { DWELL, KeyRingError, removableKeys, ringAt } from './key-ring.js';
import { KeyTrustService } from './key-trust.service.js';
import type { ClassifiedKeys, KeyRow } from './key-trust.service.js';

/** The topic of the change feed for the ring. */
export const KEYS_TOPIC = 'keys';

/** The ring, with the time at which it was read. */
export interface KeyRows extends ClassifiedKeys {
  /** Milliseconds, on the database's clock. */
  readonly now: number;
  /** The longest token lifetime in seconds. */
  readonly longestExpiry: number;
  /** Increases with each change of the ring. The keys are those of this version or of a later one. */
  readonly version: number;
}

export type Distrust = 'distrusted' | 'unknown';

const MICROSECONDS = (time: string) => `(extract(epoch FROM ${time}) * 1000000)::bigint::text`;

const COLUMNS = `
  kid, public_jwk AS "publicJwk", private_pem AS "privatePem", macs, created_at AS "createdAt",
  extract(epoch FROM promote_at)::float8 * 1000 AS "promoteAt",
  distrusted_at AS "distrustedAt", distrusted_at IS NOT NULL AS distrusted,
  ARRAY[${['created_at', 'promote_at', 'distrusted_at'].map(MICROSECONDS).join(', ')}] AS times,
  EXISTS (SELECT 1 FROM audit_events WHERE event = 'key' AND cause = 'distrusted' AND detail ->> 'kid' = kid)
    AS "distrustAudited"`;

const LOAD = `SELECT ${COLUMNS} FROM signing_keys ORDER BY promote_at, kid`;
const ONE = `SELECT ${COLUMNS} FROM signing_keys WHERE kid = $1`;

const DISTRUST_AUDITED = `
  SELECT DISTINCT detail ->> 'kid' AS kid FROM audit_events
  WHERE event = 'key' AND cause = 'distrusted' AND detail ->> 'kid' = ANY ($1::text[])`;

const CLOCK = `
  SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now, max_token_expiry AS "longestExpiry",
    coalesce((versions ->> '${KEYS_TOPIC}')::integer, 0) AS version
  FROM service_state`;

/** The version of the ring, for a statement that reads something else as well. */
export const KEYS_VERSION = `(SELECT coalesce((versions ->> '${KEYS_TOPIC}')::integer, 0) FROM service_state)`;

const INSERT = `
  INSERT INTO signing_keys (kid, public_jwk, private_pem, promote_at)
  VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4::float8)) ON CONFLICT (kid) DO NOTHING`;

const PROMOTE = `UPDATE signing_keys SET promote_at = clock_timestamp() WHERE kid = $1`;
const DISTRUST = `UPDATE signing_keys SET distrusted_at = clock_timestamp() WHERE kid = $1`;
const SET_MACS = `UPDATE signing_keys SET macs = $2 WHERE kid = $1`;
const RE_ENCRYPT = `UPDATE signing_keys SET private_pem = $2 WHERE kid = $1`;
const REMOVE = `DELETE FROM signing_keys WHERE kid = ANY ($1::text[])`;

/** All SQL of the ring. Changes run under the lock of the service state. {@link KeyTrustService} classifies every row that is read. */
@Injectable()
export class SigningKeyStore {
  constructor(
    private readonly database: Database,
    private readonly state: ServiceStateStore,
    private readonly audit: AuditStore,
    private readonly trust: KeyTrustService,
  ) {}

  /** `secret`: the one that the ring is encrypted with, if it is not JWT_SECRET. */
  async load(sql: Sql = this.database, secret?: string): Promise<KeyRows> {
    // The version first: no version may name keys that are older than it.
    const [clock] = await sql.query<Pick<KeyRows, 'now' | 'longestExpiry' | 'version'>>(CLOCK);
    const rows = await sql.query<KeyRow & Record<string, unknown>>(LOAD);
    return { ...this.trust.classify(rows, secret), ...clock! };
  }

  /** Which of the keys were ever distrusted, according to the audit trail. */
  async everDistrusted(kids: readonly string[]): Promise<Set<string>> {
    const rows = await this.database.query<{ kid: string }>(DISTRUST_AUDITED, [kids]);
    return new Set(rows.map(({ kid }) => kid));
  }

  /** Writes the MACs over the row as it is now, if the row is trusted. */
  async updateMacs(sql: Sql, kid: string): Promise<void> {
    const [row] = await sql.query<KeyRow & Record<string, unknown>>(ONE, [kid]);
    const macs = row && this.trust.macsOf(row);
    if (macs !== undefined) await sql.query(SET_MACS, [kid, JSON.stringify(macs)]);
  }

  /** Runs `work` while no other node changes the ring. Passes the fingerprint of the secret that the ring is encrypted with. */
  async withLock<T>(work: (sql: Sql, fingerprint: string | null) => Promise<T>): Promise<T> {
    return this.database.transaction(async (sql) => work(sql, await this.state.lock(sql)));
  }

  /** Adds the key; all nodes follow within a second of the commit. `after`: seconds until the key signs. */
  async add(
    sql: Sql,
    key: StoredKey,
    after: number,
    cause: string,
    origin: Origin,
    actorId?: string,
  ): Promise<void> {
    await this.insert(sql, key, after);
    await this.changed(sql, cause, { kid: key.kid }, origin, actorId);
  }

  async reEncrypt(sql: Sql, key: StoredKey): Promise<void> {
    await sql.query(RE_ENCRYPT, [key.kid, key.privatePem]);
    await this.state.bump(sql, KEYS_TOPIC);
  }

  async setFingerprint(sql: Sql, fingerprint: string): Promise<void> {
    await this.state.setFingerprint(sql, fingerprint);
  }

  /**
   * Adds `key` as the next one, unless there is a next key already. `secret`: the fingerprint of the secret that the key is encrypted
   * with. Throws {@link KeyRingError} if it is not the ring's, because a node that starts could not decrypt the key.
   */
  async rotate(key: StoredKey, secret: string, origin: Origin, actorId?: string): Promise<void> {
    await this.withLock(async (sql, fingerprint) => {
      const { keys, now, longestExpiry } = await this.load(sql);
      if (ringAt(keys, now, longestExpiry).next.length > 0) return;
      assertSame(secret, fingerprint);
      await this.add(sql, key, DWELL, 'rotated', origin, actorId);
    });
  }

  /**
   * Distrusts the key. If it was the current one, the next key or else `spare` signs from now on. Repeating it changes nothing. Throws
   * {@link KeyRingError} if the spare is needed and `secret`, as in {@link rotate}, is not the ring's. Then nothing changes.
   */
  async distrust(
    kid: string,
    spare: StoredKey,
    secret: string,
    origin: Origin,
    actorId?: string,
  ): Promise<Distrust> {
    return this.withLock(async (sql, fingerprint) => {
      const { keys, refused, now, longestExpiry } = await this.load(sql);
      const row = [...keys, ...refused].find((candidate) => candidate.kid === kid);
      if (row === undefined) return 'unknown';
      if (row.distrustedAt !== null) return 'distrusted';
      await sql.query(DISTRUST, [kid]);
      await this.updateMacs(sql, kid);
      const { current, next } = ringAt(keys, now, longestExpiry);
      const successor = current?.kid === kid ? (next[0]?.kid ?? spare.kid) : undefined;
      if (successor !== undefined && next[0] === undefined) {
        assertSame(secret, fingerprint);
        await this.insert(sql, spare, 0);
      } else if (successor !== undefined) {
        await sql.query(PROMOTE, [successor]);
        await this.updateMacs(sql, successor);
      }
      await this.changed(sql, 'distrusted', { kid, successor }, origin, actorId);
      return 'distrusted';
    });
  }

  /** Removes the keys that no valid token is signed with. Returns how many. */
  async removeExpired(): Promise<number> {
    return this.withLock(async (sql) => {
      const { keys, now, longestExpiry } = await this.load(sql);
      const expired = removableKeys(keys, now, longestExpiry);
      if (expired.length === 0) return 0;
      await sql.query(REMOVE, [expired]);
      await this.state.bump(sql, KEYS_TOPIC);
      return expired.length;
    });
  }

  private async insert(sql: Sql, { kid, publicJwk, privatePem }: StoredKey, after: number): Promise<void> {
    await sql.query(INSERT, [kid, JSON.stringify(publicJwk), privatePem, after]);
    await this.updateMacs(sql, kid);
  }

  /** Bumps the topic for the other nodes and writes one audit event. */
  private async changed(
    sql: Sql,
    cause: string,
    detail: { readonly kid: string; readonly successor?: string | undefined },
    origin: Origin,
    actorId?: string,
  ): Promise<void> {
    await this.state.bump(sql, KEYS_TOPIC);
    await this.audit.add({ event: 'key', cause, actorId, detail }, origin, sql);
  }
}

function assertSame(secret: string, fingerprint: string | null): void {
  if (sameSecret(secret, fingerprint)) return;
  throw new KeyRingError(
    'JWT_SECRET is no longer the one that the key ring is encrypted with: restart with that one',
  );
}
