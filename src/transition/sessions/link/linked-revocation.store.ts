import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import type { AlsoRevoked } from '../../../tokens/families/revocation-hook.js';
import type { User } from '../../../users/user.entity.js';
import { onSessionTable } from '../stores/session-table.js';
import { userAt, userKeyAt, userNamed } from '../stores/session-user.sql.js';

/** Whose session it is. */
export type SessionOwner = Pick<User, 'id' | 'username' | 'role' | 'epoch' | 'externalId'>;

/** What a session that ended was. */
interface UserSession {
  readonly sid: string;
  readonly name: string;
  /** It could still be used, and no login by tokens shares its fate. */
  readonly alone: boolean;
}

interface EndedSession {
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

const FAMILY_OF = `SELECT family_id FROM session_fates WHERE sid = $1 AND user_id = $2 AND family_id IS NOT NULL`;

const LOGIN_OF = `SELECT family_id FROM session_fates WHERE sid = $1 AND family_id IS NOT NULL AND ended_at IS NULL`;

const SEE = `UPDATE session_fates SET seen_at = clock_timestamp() WHERE sid = $1 AND seen_at IS NULL`;

/** A session has a row, which another application may have deleted. */
const HAS_ROW = `EXISTS (SELECT 1 FROM session WHERE session.sid = session_fates.sid) AS "hasRow"`;

/** In the order of ids, so that no two of these wait in a circle. A table without a key may have two rows of one id. */
const END = `
  INSERT INTO session_fates (sid, user_id, ended_at)
  SELECT DISTINCT ON (sid) sid, user_id, clock_timestamp() FROM unnest($1::text[], $2::uuid[]) AS gone (sid, user_id) ORDER BY sid
  ON CONFLICT (sid) DO UPDATE SET ended_at = excluded.ended_at WHERE session_fates.ended_at IS NULL
  RETURNING sid, ${HAS_ROW}`;

/** Exchanged from the session that a login was given up for, and so on. */
const FOLLOWING = `
  WITH RECURSIVE line AS (
    SELECT unnest($1::uuid[]) AS sid
    UNION
    SELECT f.family_id FROM line JOIN session_fates f ON f.downgraded_id = line.sid WHERE f.family_id IS NOT NULL
  ) SELECT sid FROM line`;

/** A session whose row names another user by now goes on: it is that user's. */
const endFamilies = (path: string) => `
  UPDATE session_fates f SET ended_at = clock_timestamp()
  WHERE sid IN (
      SELECT sid FROM session_fates
      WHERE (family_id = ANY ($1::uuid[]) OR downgraded_id = ANY ($1::uuid[])) AND ended_at IS NULL ORDER BY sid FOR UPDATE)
    AND NOT EXISTS (
      SELECT 1 FROM session s CROSS JOIN LATERAL (SELECT ${userAt(path)} AS name OFFSET 0) named
      WHERE s.sid = f.sid AND ${userNamed('named.name')} IS DISTINCT FROM f.user_id)
  RETURNING sid, family_id AS "familyId", ${HAS_ROW.replace('session_fates', 'f')}`;

const NAMES = `SELECT id, external_id FROM users WHERE id = ANY ($1::uuid[])`;

/** Those with a row that names the users, and those of theirs that are known without one, which may be hidden or written again. */
const ofUsers = (path: string) => `
  SELECT s.sid, named.name, f.ended_at IS NULL AND t.id IS NULL AND s.expire > now() AS alone
  FROM session s
  CROSS JOIN LATERAL (SELECT ${userAt(path)} AS name OFFSET 0) named
  LEFT JOIN session_fates f ON f.sid = s.sid
  LEFT JOIN refresh_tokens t ON t.id = f.family_id AND t.expires_at > now()
  WHERE ${userKeyAt(path)} = ANY (ARRAY (SELECT lower(wanted) FROM unnest($1::text[] || $4::text[]) AS wanted))
    AND (named.name = ANY ($1::text[]) OR lower(named.name) = ANY ($4::text[])) AND s.sid IS DISTINCT FROM $2
    AND ($3::uuid IS NULL OR f.family_id IS DISTINCT FROM $3)
  UNION ALL
  SELECT f.sid, f.user_id::text, false FROM session_fates f
  WHERE f.user_id = ANY ($4::text[]::uuid[]) AND f.ended_at IS NULL AND f.sid IS DISTINCT FROM $2
    AND ($3::uuid IS NULL OR f.family_id IS DISTINCT FROM $3)
    AND NOT EXISTS (SELECT 1 FROM session s WHERE s.sid = f.sid)`;

/**
 * What is known of sessions beyond their rows. Everything here runs in the caller's transaction. Locks are taken in one order
 * everywhere: the user's row, those of logins, those of this table. Rows of `session` are read here and never written: see SessionRowStore.
 */
@Injectable()
export class LinkedRevocationStore {
  private readonly endFamilies: string;
  private readonly ofUsers: string;

  constructor(
    private readonly database: Database,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    this.endFamilies = endFamilies(config.sessionUserKey);
    this.ofUsers = ofUsers(config.sessionUserKey);
  }

  /** Nobody else begins, exchanges or ends a session of the user until the transaction ends. Undefined if it is disabled. */
  async lockUser(sql: Sql, userId: string): Promise<SessionOwner | undefined> {
    return (await sql.query<SessionOwner & Record<string, unknown>>(LOCK_USER, [userId]))[0];
  }

  /** The login that the user's session was exchanged for, whatever has become of either. */
  async familyOf(sql: Sql, sid: string, userId: string): Promise<string | undefined> {
    return (await sql.query<{ family_id: string }>(FAMILY_OF, [sid, userId]))[0]?.family_id;
  }

  /** The login that shares the session's fate. */
  async linkedFamilyOf(sql: Sql, sid: string): Promise<string | undefined> {
    return (await sql.query<{ family_id: string }>(LOGIN_OF, [sid]))[0]?.family_id;
  }

  /** Its client has received the session. */
  async see(sid: string): Promise<void> {
    await this.database.query(SEE, [sid]);
  }

  /** Ends the session for good, whatever another application writes later. False if it had ended, or its row was gone. */
  async end(sql: Sql, sid: string, userId: string): Promise<boolean> {
    const ended = await onSessionTable(() => sql.query<{ hasRow: boolean }>(END, [[sid], [userId]]));
    return ended.some(({ hasRow }) => hasRow);
  }

  /** Those logins, and those that came of the sessions that they were given up for. */
  async successorsOf(sql: Sql, families: readonly string[]): Promise<string[]> {
    return (await sql.query<{ sid: string }>(FOLLOWING, [families])).map(({ sid }) => sid);
  }

  /** Ends the sessions that share the fate of those logins, or that the logins were given up for. */
  async endOfFamilies(sql: Sql, families: readonly string[]): Promise<AlsoRevoked> {
    const ended = await onSessionTable(() => sql.query<EndedSession>(this.endFamilies, [families]));
    const withRow = ended.filter(({ hasRow }) => hasRow);
    const logins = ended.flatMap(({ familyId }) => familyId ?? []);
    return {
      sessions: withRow.filter(({ familyId }) => familyId === null).length,
      leftovers: withRow.map(({ sid }) => sid),
      // One that was exchanged while this waited for it.
      families: logins.filter((login) => !families.includes(login)),
    };
  }

  /**
   * Ends all sessions of the users, those too that only another application has seen so far, except that one and the one that
   * shares the fate of that login. The others are those that were live without a login.
   */
  async endOfUsers(
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
      sql.query<UserSession & Record<string, unknown>>(this.ofUsers, values),
    );
    const sids = found.map(({ sid }) => sid);
    const ownerOf = (name: string) => (ids.has(name.toLowerCase()) ? name.toLowerCase() : owners.get(name)!);
    if (sids.length > 0) await sql.query(END, [sids, found.map(({ name }) => ownerOf(name))]);
    return { sessions: found.filter(({ alone }) => alone).length, families: [], leftovers: sids };
  }
}
