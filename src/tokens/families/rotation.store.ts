import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { Database } from '../../database/database.js';
import { admission } from '../../limits/admission.sql.js';
import type { CountedCall, CountedResult } from '../../limits/admission.sql.js';
import { KEYS_VERSION } from '../keys/signing-key.store.js';
import type { LimitLog } from '../../limits/quota.js';
import type { LiveFamily } from './token-family.js';

/** The token that a rotation spends. */
export interface SpentToken {
  readonly sid: string;
  readonly generation: number;
}

/** The key that makes the successor, and the successor's lifetime in seconds. */
export interface Successor {
  readonly macKey: string;
  readonly expiry: number;
}

/** The row that the query returns. */
type Row = Omit<LiveFamily, 'sid' | 'generation'>;

/** The row of a counted call. The family is null if the call exceeded the limit. The log is null if another call is within the limit. */
type CountedRow = { readonly [Column in keyof Row]: Row[Column] | null } & {
  readonly [Column in keyof LimitLog]: LimitLog[Column] | null;
};

const IS_CURRENT = `id = $1 AND generation = $2 AND revoked_at IS NULL AND expires_at > clock_timestamp()`;

const UPDATE = `
    UPDATE refresh_tokens
    SET generation = generation + 1, rotated_at = clock_timestamp(), last_used_at = clock_timestamp(), mac_key = $3,
      expires_at = least(now() + make_interval(secs => $4::float8), absolute_expires_at), ip = $5, user_agent = $6`;

const AUDIT = `
    INSERT INTO audit_events (event, user_id, sid, ip, user_agent, request_id)
    SELECT 'refresh', user_id, id, $5, $6, $7 FROM t`;

const COLUMNS = `
  t.user_id AS "userId", u.role, u.external_id AS "externalId", u.epoch, t.delivery, extract(epoch FROM t.expires_at)::float8 * 1000 AS "expiresAt",
  extract(epoch FROM clock_timestamp())::float8 * 1000 AS now, ${KEYS_VERSION} AS "keysVersion"`;

const ROTATE = `
  WITH t AS (${UPDATE} WHERE ${IS_CURRENT} RETURNING id, user_id, delivery, expires_at),
  audited AS (${AUDIT})
  SELECT ${COLUMNS} FROM t JOIN users u ON u.id = t.user_id`;

const TERMS = { key: '$8', wanted: '1', limit: '$9', window: '$10', slot: '$11' };

/** A statement that waited for the row lock evaluates the row again: if the token was spent or revoked meanwhile, nothing is counted. */
const ROTATE_COUNTED = `
  WITH held AS (SELECT 1 FROM refresh_tokens WHERE ${IS_CURRENT} AND alone FOR NO KEY UPDATE),
  counted AS (${admission(TERMS, 'held')} RETURNING admitted, ends, hits),
  t AS (${UPDATE} FROM counted WHERE id = $1 AND counted.admitted > 0 RETURNING id, user_id, delivery, expires_at),
  audited AS (${AUDIT}),
  full_log AS (SELECT ends, hits FROM counted WHERE (SELECT sum(h) FROM unnest(hits) AS h) >= $9::bigint)
  SELECT ${COLUMNS}, full_log.ends::float8[] AS ends, full_log.hits
  FROM counted LEFT JOIN full_log ON true LEFT JOIN (t JOIN users u ON u.id = t.user_id) ON true`;

/** Rotates token families. Each method is one statement that also writes the audit event. */
@Injectable()
export class RotationStore {
  constructor(private readonly database: Database) {}

  /**
   * Rotates a live family whose current token is `spent`. Of any number of concurrent callers exactly one succeeds. The others wait
   * for its row lock and get undefined. A revoked or expired family gives undefined, too.
   */
  async rotate(spent: SpentToken, next: Successor, origin: Origin): Promise<LiveFamily | undefined> {
    const [row] = await this.database.query<Row>(ROTATE, valuesOf(spent, next, origin));
    return row && rotated(spent, row);
  }

  /**
   * Counts the call and rotates an unlinked family, or does neither if the call exceeds the limit. If `spent` is not the current token of a
   * live, unlinked family, counts nothing and returns undefined.
   */
  async rotateCounted(
    spent: SpentToken,
    next: Successor,
    call: CountedCall,
    origin: Origin,
  ): Promise<CountedResult<LiveFamily> | undefined> {
    const { key, limit, window, slot } = call;
    const values = [...valuesOf(spent, next, origin), key, limit, window, slot];
    const [row] = await this.database.query<CountedRow>(ROTATE_COUNTED, values);
    if (row === undefined) return undefined;
    const { ends, hits, now } = row;
    return {
      done: row.userId === null ? undefined : rotated(spent, row as Row),
      full: ends === null || hits === null ? undefined : { ends, hits, now: now! * 1000 },
    };
  }
}

function valuesOf({ sid, generation }: SpentToken, { macKey, expiry }: Successor, origin: Origin): unknown[] {
  return [sid, generation, macKey, expiry, origin.ip, origin.userAgent, origin.requestId];
}

/** Returns the row without the columns of the counted call. */
function familyIn({ userId, role, externalId, epoch, delivery, expiresAt, now, keysVersion }: Row): Row {
  return { userId, role, externalId, epoch, delivery, expiresAt, now, keysVersion };
}

function rotated({ sid, generation }: SpentToken, row: Row): LiveFamily {
  return { ...familyIn(row), sid, generation: generation + 1 };
}
