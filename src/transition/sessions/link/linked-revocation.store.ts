import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import type { AlsoRevoked } from '../../../tokens/families/revocation-hook.js';
import type { User } from '../../../users/user.entity.js';
import { SessionTable } from '../table/session-table.js';
import { onSessionTable, userIn, userKey, userNamed } from '../stores/session-table.sql.js';

/** Whose session it is. */
export type SessionOwner = Pick<User, 'id' | 'username' | 'role' | 'epoch' | 'externalId'>;

/** A session of one of the users, before it is revoked. */
interface UserSession {
  readonly sid: string;
  readonly name: string;
  /** Whether the session is live, and no live family is linked to it. */
  readonly unlinked: boolean;
}

interface RevokedSession {
  readonly sid: string;
  readonly familyId: string | null;
  readonly hasRow: boolean;
}

interface UserName {
  readonly id: string;
  readonly external_id: string | null;
}

const LOCK_USER = `
  SELECT id, username, role, epoch, external_id AS "externalId" FROM users
  WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE`;

const EXCHANGED_FAMILY_OF = `SELECT family_id FROM session_fates WHERE sid = $1 AND user_id = $2 AND family_id IS NOT NULL`;

const LINKED_FAMILY_OF = `SELECT family_id FROM session_fates WHERE sid = $1 AND family_id IS NOT NULL AND ended_at IS NULL`;

const MARK_SEEN = `UPDATE session_fates SET seen_at = clock_timestamp() WHERE sid = $1 AND seen_at IS NULL`;

/** The session still has a row. Another application may have deleted it. */
const hasRowIn = (table: string, link: string) =>
  `EXISTS (SELECT 1 FROM ${table} s WHERE s.sid = ${link}.sid) AS "hasRow"`;

/** In the order of ids, so that two of these cannot deadlock. A table without a key may have two rows with one id. */
const revokeIn = (table: string) => `
  INSERT INTO session_fates (sid, user_id, ended_at)
  SELECT DISTINCT ON (sid) sid, user_id, clock_timestamp() FROM unnest($1::text[], $2::uuid[]) AS revoked (sid, user_id) ORDER BY sid
  ON CONFLICT (sid) DO UPDATE SET ended_at = excluded.ended_at WHERE session_fates.ended_at IS NULL
  RETURNING sid, ${hasRowIn(table, 'session_fates')}`;

/** The families that were exchanged from the sessions that these were downgraded to, and so on. */
const SUCCESSORS = `
  WITH RECURSIVE line AS (
    SELECT unnest($1::uuid[]) AS sid
    UNION
    SELECT f.family_id FROM line JOIN session_fates f ON f.downgraded_id = line.sid WHERE f.family_id IS NOT NULL
  ) SELECT sid FROM line`;

/** A session whose row names another user now belongs to that user, and stays. */
const revokeLinkedBy = (table: string, user: string) => `
  UPDATE session_fates f SET ended_at = clock_timestamp()
  WHERE sid IN (
      SELECT sid FROM session_fates
      WHERE (family_id = ANY ($1::uuid[]) OR downgraded_id = ANY ($1::uuid[])) AND ended_at IS NULL ORDER BY sid FOR UPDATE)
    AND NOT EXISTS (
      SELECT 1 FROM ${table} s CROSS JOIN LATERAL (SELECT ${user} AS name OFFSET 0) named
      WHERE s.sid = f.sid AND ${userNamed('named.name')} IS DISTINCT FROM f.user_id)
  RETURNING sid, family_id AS "familyId", ${hasRowIn(table, 'f')}`;

const NAMES = `SELECT id, external_id FROM users WHERE id = ANY ($1::uuid[])`;

/** The sessions whose row names the users, and those that are known without a row, which may be hidden or written again. */
const ofUsersBy = (table: string, user: string) => `
  SELECT s.sid, named.name, f.ended_at IS NULL AND t.id IS NULL AND s.expire > now() AS unlinked
  FROM ${table} s
  CROSS JOIN LATERAL (SELECT ${user} AS name OFFSET 0) named
  LEFT JOIN session_fates f ON f.sid = s.sid
  LEFT JOIN refresh_tokens t ON t.id = f.family_id AND t.expires_at > now()
  WHERE ${userKey(user)} = ANY (ARRAY (SELECT lower(wanted) FROM unnest($1::text[] || $4::text[]) AS wanted))
    AND (named.name = ANY ($1::text[]) OR lower(named.name) = ANY ($4::text[])) AND s.sid IS DISTINCT FROM $2
    AND ($3::uuid IS NULL OR f.family_id IS DISTINCT FROM $3)
  UNION ALL
  SELECT f.sid, f.user_id::text, false FROM session_fates f
  WHERE f.user_id = ANY ($4::text[]::uuid[]) AND f.ended_at IS NULL AND f.sid IS DISTINCT FROM $2
    AND ($3::uuid IS NULL OR f.family_id IS DISTINCT FROM $3)
    AND NOT EXISTS (SELECT 1 FROM ${table} s WHERE s.sid = f.sid)`;

/**
 * Revokes sessions in the caller's transaction, in the table of links. Locks are taken in one order everywhere: the user's row, those of
 * families, those of this table. Rows of sessions are only read: SessionRowStore writes them.
 */
@Injectable()
export class LinkedRevocationStore {
  private readonly revokeText: string;
  private readonly revokeLinkedText: string;
  private readonly ofUsersText: string;

  constructor(
    private readonly database: Database,
    table: SessionTable,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    const user = userIn(table, config.sessionUserKey);
    this.revokeText = revokeIn(table.rows);
    this.revokeLinkedText = revokeLinkedBy(table.rows, user);
    this.ofUsersText = ofUsersBy(table.rows, user);
  }

  /** Locks the user: nobody else opens, exchanges or revokes their sessions until the commit. Undefined if the user is disabled. */
  async lockUser(sql: Sql, userId: string): Promise<SessionOwner | undefined> {
    return (await sql.query<SessionOwner & Record<string, unknown>>(LOCK_USER, [userId]))[0];
  }

  /** The family that the user's session was exchanged for, revoked or not. */
  async exchangedFamilyOf(sql: Sql, sid: string, userId: string): Promise<string | undefined> {
    return (await sql.query<{ family_id: string }>(EXCHANGED_FAMILY_OF, [sid, userId]))[0]?.family_id;
  }

  /** The family that is linked to the session. */
  async linkedFamilyOf(sql: Sql, sid: string): Promise<string | undefined> {
    return (await sql.query<{ family_id: string }>(LINKED_FAMILY_OF, [sid]))[0]?.family_id;
  }

  /** Records that the client has received the session. */
  async markSeen(sid: string): Promise<void> {
    await this.database.query(MARK_SEEN, [sid]);
  }

  /** Revokes the session for good: a later write by another application changes nothing. False if it was revoked or has no row. */
  async revokeSession(sql: Sql, sid: string, userId: string): Promise<boolean> {
    const revoked = await onSessionTable(() =>
      sql.query<{ hasRow: boolean }>(this.revokeText, [[sid], [userId]]),
    );
    return revoked.some(({ hasRow }) => hasRow);
  }

  /** These families, and those that were exchanged from the sessions that they were downgraded to. */
  async successorsOf(sql: Sql, families: readonly string[]): Promise<string[]> {
    return (await sql.query<{ sid: string }>(SUCCESSORS, [families])).map(({ sid }) => sid);
  }

  /** Revokes the sessions that are linked to these families, or that the families were downgraded to. */
  async revokeLinkedTo(sql: Sql, families: readonly string[]): Promise<AlsoRevoked> {
    const revoked = await onSessionTable(() => sql.query<RevokedSession>(this.revokeLinkedText, [families]));
    const withRow = revoked.filter(({ hasRow }) => hasRow);
    const linked = revoked.flatMap(({ familyId }) => familyId ?? []);
    return {
      sessions: withRow.filter(({ familyId }) => familyId === null).length,
      leftovers: withRow.map(({ sid }) => sid),
      // A session may have been exchanged while this statement waited for it.
      families: linked.filter((family) => !families.includes(family)),
    };
  }

  /**
   * Revokes all sessions of the users, also those that only another application knows, except the given one and the one that is linked
   * to the given family. `sessions` counts those that were live and unlinked.
   */
  async revokeSessionsOf(
    sql: Sql,
    userIds: readonly string[],
    except: { readonly session?: string | undefined; readonly sid?: string | undefined },
  ): Promise<AlsoRevoked> {
    const owners = new Map<string, string>();
    const ids = new Set<string>();
    for (const { id, external_id } of await sql.query<UserName & Record<string, unknown>>(NAMES, [userIds])) {
      if (external_id !== null) owners.set(external_id, owners.get(external_id) ?? id);
      ids.add(id);
    }
    const values = [[...owners.keys()], except.session ?? null, except.sid ?? null, [...ids]];
    const found = await onSessionTable(() =>
      sql.query<UserSession & Record<string, unknown>>(this.ofUsersText, values),
    );
    const sids = found.map(({ sid }) => sid);
    const ownerOf = (name: string) => (ids.has(name.toLowerCase()) ? name.toLowerCase() : owners.get(name)!);
    if (sids.length > 0) await sql.query(this.revokeText, [sids, found.map(({ name }) => ownerOf(name))]);
    return { sessions: found.filter(({ unlinked }) => unlinked).length, families: [], leftovers: sids };
  }
}
