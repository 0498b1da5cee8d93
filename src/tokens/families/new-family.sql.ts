import type { Origin } from '../../audit/audit-context.js';
import { KEYS_VERSION } from '../keys/signing-key.store.js';
import type { NewFamily } from './token-family.js';

/** The columns of a {@link TokenFamily}: `t` is the family, `u` its user. */
export const FAMILY_COLUMNS = `
  t.id AS sid, t.user_id AS "userId", u.role, u.external_id AS "externalId", u.epoch, t.secret, t.mac_key AS "macKey", t.alone AS unlinked, t.generation,
  t.confirmed_generation AS "confirmedGeneration", t.delivery, t.revoked_at IS NOT NULL AS revoked,
  t.expires_at <= clock_timestamp() AS expired,
  extract(epoch FROM clock_timestamp() - t.rotated_at)::float8 AS age,
  extract(epoch FROM t.expires_at)::float8 * 1000 AS "expiresAt",
  extract(epoch FROM t.absolute_expires_at)::float8 * 1000 AS "absoluteExpiresAt",
  extract(epoch FROM clock_timestamp())::float8 * 1000 AS now, ${KEYS_VERSION} AS "keysVersion"`;

/** SQL: when a new family expires if its token is not used. */
export const FIRST_EXPIRY = `now() + make_interval(secs => least($7::float8, $8::float8))`;

/**
 * The parts `t` and `audited` of a statement: they write a family and its audit event. `given`: relations of the statement with one row or
 * none, of which `u` is the user with the id $2 and the epoch $3. Without a row, nothing is written. `provedAt`: SQL for when the login
 * proved its password, unless it has just done so. The first sixteen parameters are {@link newFamilyValues}.
 */
export function newFamily(given: string, provedAt = 'NULL'): string {
  return `t AS (
    INSERT INTO refresh_tokens
      (id, user_id, secret, mac_key, delivery, created_at, expires_at, absolute_expires_at, ip, user_agent,
        confirmed_generation, alone, password_at)
    SELECT $1, u.id, $4, $5, $6, clock_timestamp(), ${FIRST_EXPIRY},
      now() + make_interval(secs => $8::float8), $9, $10, $14::integer, $15,
      CASE WHEN $16 THEN clock_timestamp() ELSE ${provedAt} END
    FROM ${given}
    RETURNING *
  ), audited AS (
    INSERT INTO audit_events (event, cause, user_id, sid, ip, user_agent, request_id)
    SELECT $13, $12, user_id, id, $9, $10, $11 FROM t
  )`;
}

export function newFamilyValues(family: NewFamily, cause: string, origin: Origin): unknown[] {
  const { sid, userId, epoch, secret, macKey, delivery, expiry, familyExpiry } = family;
  const { ip, userAgent, requestId } = origin;
  return [
    sid,
    userId,
    epoch,
    secret,
    macKey,
    delivery,
    expiry,
    familyExpiry,
    ip,
    userAgent,
    requestId,
    cause,
    family.event ?? 'login',
    family.firstUnseen === true ? -1 : 0,
    family.unlinked ?? false,
    family.byPassword ?? false,
  ];
}
