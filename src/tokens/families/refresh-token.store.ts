import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import type { Origin } from '../../audit/audit-context.js';
import { FAMILY_COLUMNS, newFamily, newFamilyValues } from './new-family.sql.js';
import type { TokenFamily, NewFamily } from './token-family.js';
import type { RevocationReason } from './refresh-token.entity.js';

/**
 * FOR SHARE: either a revocation of the user waits for this statement and then sees the family, or this statement waits and sees the new
 * epoch.
 */
const CREATE = `
  WITH u AS (
    SELECT id, role, external_id, epoch FROM users WHERE id = $2 AND epoch = $3 AND disabled_at IS NULL FOR SHARE
  ), ${newFamily('u')}
  SELECT ${FAMILY_COLUMNS} FROM t JOIN u ON u.id = t.user_id`;

const FIND = `SELECT ${FAMILY_COLUMNS} FROM refresh_tokens t JOIN users u ON u.id = t.user_id WHERE t.id = $1`;

const FIND_ALL = `SELECT ${FAMILY_COLUMNS} FROM refresh_tokens t JOIN users u ON u.id = t.user_id WHERE t.id = ANY ($1::uuid[])`;

const HOLD = `${FIND} FOR UPDATE OF t`;

const DELIVER_BY_COOKIE = `UPDATE refresh_tokens SET delivery = 'cookie' WHERE id = $1 AND delivery <> 'cookie'`;

const CONFIRM = `
  UPDATE refresh_tokens t SET confirmed_generation = seen.generation
  FROM unnest($1::uuid[], $2::integer[]) AS seen (sid, generation)
  WHERE t.id = seen.sid AND t.generation = seen.generation AND t.confirmed_generation < seen.generation`;

const REVOKE_FAMILIES = `
  UPDATE refresh_tokens SET revoked_at = now(), revoke_reason = $2, revoked_by = $3, revoke_note = $4
  WHERE id IN (SELECT id FROM refresh_tokens WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE) AND revoked_at IS NULL
  RETURNING id AS sid, user_id AS "userId", expires_at > now() AS live`;

const REVOKE_FAMILIES_OF_USERS = `
  UPDATE refresh_tokens SET revoked_at = now(), revoke_reason = $2, revoked_by = $4, revoke_note = $5
  WHERE id IN (
      SELECT id FROM refresh_tokens
      WHERE user_id = ANY ($1::uuid[]) AND id IS DISTINCT FROM $3 AND revoked_at IS NULL ORDER BY id FOR UPDATE)
    AND revoked_at IS NULL
  RETURNING id AS sid, user_id AS "userId", expires_at > now() AS live`;

const REMOVE_EXPIRED = `
  DELETE FROM refresh_tokens
  WHERE id IN (SELECT id FROM refresh_tokens WHERE absolute_expires_at < now() - interval '7 days' LIMIT $1)
  RETURNING id`;

/** A family that was just revoked, and whether it was live. */
export interface RevokedFamily {
  readonly sid: string;
  readonly userId: string;
  readonly live: boolean;
}

/** The administrator who revokes, if there is one, and what they write about it. */
export interface Revoker {
  readonly actorId?: string | undefined;
  readonly note?: string | undefined;
}

export function countLive(revoked: readonly RevokedFamily[]): number {
  return revoked.filter(({ live }) => live).length;
}

/** Creates, finds and revokes token families. `rotation.store.ts` rotates them, `device.store.ts` lists those of one user. */
@Injectable()
export class RefreshTokenStore {
  constructor(private readonly database: Database) {}

  /** Writes the family and its audit event. Undefined, and nothing is written, if the user is disabled or has another epoch. */
  async create(
    family: NewFamily,
    cause: string,
    origin: Origin,
    sql: Sql = this.database,
  ): Promise<TokenFamily | undefined> {
    return (await sql.query<TokenFamily>(CREATE, newFamilyValues(family, cause, origin)))[0];
  }

  async find(sid: string, sql: Sql = this.database): Promise<TokenFamily | undefined> {
    return (await sql.query<TokenFamily>(FIND, [sid]))[0];
  }

  async findAll(sids: readonly string[]): Promise<TokenFamily[]> {
    return this.database.query<TokenFamily>(FIND_ALL, [sids]);
  }

  /** Locks the family until the transaction ends: no one else rotates or revokes it. The caller holds the user's row. */
  async hold(sql: Sql, sid: string): Promise<TokenFamily | undefined> {
    return (await sql.query<TokenFamily>(HOLD, [sid]))[0];
  }

  /** Makes responses deliver the refresh tokens of this family only in the cookie, from the commit on. */
  async deliverByCookie(sql: Sql, sid: string): Promise<void> {
    await sql.query(DELIVER_BY_COOKIE, [sid]);
  }

  /** Records that the clients have received these generations. An older generation than the recorded one changes nothing. */
  async confirm(seen: ReadonlyMap<string, number>): Promise<void> {
    await this.database.query(CONFIRM, [[...seen.keys()], [...seen.values()]]);
  }

  /** Revokes the families and returns those that were not revoked before. */
  async revokeFamilies(
    sql: Sql,
    sids: readonly string[],
    reason: RevocationReason,
    { actorId, note }: Revoker = {},
  ): Promise<RevokedFamily[]> {
    return sql.query<RevokedFamily>(REVOKE_FAMILIES, [sids, reason, actorId ?? null, note ?? null]);
  }

  /** Revokes all families of the users, except perhaps one. The caller holds the users' rows. */
  async revokeFamiliesOfUsers(
    sql: Sql,
    userIds: readonly string[],
    reason: RevocationReason,
    exceptSid: string | undefined,
    { actorId, note }: Revoker = {},
  ): Promise<RevokedFamily[]> {
    const values = [userIds, reason, exceptSid ?? null, actorId ?? null, note ?? null];
    return sql.query<RevokedFamily>(REVOKE_FAMILIES_OF_USERS, values);
  }

  /** Deletes at most `batch` families that expired for good a week ago or earlier, and returns how many. */
  async removeExpired(batch: number): Promise<number> {
    return (await this.database.query(REMOVE_EXPIRED, [batch])).length;
  }
}
