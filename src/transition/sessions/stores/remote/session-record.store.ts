import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../../config/config.js';
import { Database } from '../../../../database/database.js';
import type { Sql } from '../../../../database/database.js';
import type { TransitionConfig } from '../../../transition.settings.js';
import { SessionTable } from '../../table/session-table.js';
import { milliseconds, userAt, userNamed } from '../session-table.sql.js';
import type { SessionNote } from './session-note.js';

/** What is known of a session: its record, its revocation, or both. */
export interface KnownSession {
  readonly sid: string;
  /** The session as text; null without a record. */
  readonly text: string | null;
  readonly user: string | null;
  readonly expiresAt: number | null;
  readonly revoked: boolean;
}

/** The result of recording a session that was not recorded for its user before. */
export type Seen = 'recorded' | 'unknown user' | 'revoked' | 'searching';

/** A record that names nobody. */
const NOBODY = '{}';

const findIn = (table: string, path: string) => `
  SELECT w.sid, s.sess::text AS text, ${userAt(path)} AS user, ${milliseconds('s.expire')} AS "expiresAt",
    f.ended_at IS NOT NULL AS revoked
  FROM unnest($1::text[]) AS w (sid) LEFT JOIN ${table} s ON s.sid = w.sid LEFT JOIN session_fates f ON f.sid = w.sid
  WHERE s.sid IS NOT NULL OR f.ended_at IS NOT NULL`;

/** A locked record is in use by an exchange: the next look changes it. */
const updateIn = (table: string, path: string) => `
  WITH due AS (
    SELECT s.sid, w.text, w.expires FROM unnest($1::text[], $2::text[], $3::float8[], $4::text[]) AS w (sid, text, expires, name)
    JOIN ${table} s ON s.sid = w.sid AND ${userAt(path)} = w.name FOR UPDATE OF s SKIP LOCKED
  )
  UPDATE ${table} s SET sess = due.text::json, expire = to_timestamp(due.expires / 1000) FROM due WHERE s.sid = due.sid`;

/** The trigger on the table records for linked sessions whether they had expired. */
const removeIn = (table: string) => `DELETE FROM ${table} WHERE sid = ANY ($1::text[])`;

/** FOR SHARE: a concurrent revocation of the user either waits and then sees the record, or is seen by the next statement. */
const LOCK_USER = `SELECT id FROM users WHERE id = ${userNamed('$1::text')} FOR SHARE`;

const OBSTACLES = `
  SELECT EXISTS (SELECT 1 FROM session_fates WHERE sid = $1 AND ended_at IS NOT NULL) AS revoked,
    EXISTS (SELECT 1 FROM session_searches WHERE user_id = $2) AS searching`;

const renameIn = (table: string) => `
  UPDATE ${table} SET sess = $2::json, expire = to_timestamp($3::float8 / 1000) WHERE sid = $1`;

const addTo = (table: string) => `
  INSERT INTO ${table} (sid, sess, expire) VALUES ($1, $2::json, to_timestamp($3::float8 / 1000))
  ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expire = excluded.expire`;

const expiredIn = (table: string) => `
  SELECT sid FROM ${table} WHERE expire < now() - interval '1 minute' ORDER BY expire LIMIT $1`;

/** The product's store may still have them: a call to it failed, or the product has written them again. */
const revivableIn = (table: string) => `
  (SELECT sid FROM session_fates WHERE ended_at > clock_timestamp() - make_interval(secs => $1) ORDER BY ended_at DESC LIMIT $2)
  UNION
  (SELECT s.sid FROM ${table} s JOIN session_fates f ON f.sid = s.sid
    WHERE s.expire > clock_timestamp() AND (f.ended_at IS NOT NULL OR f.ends_at < clock_timestamp()) LIMIT $2)`;

const LINKED_AFTER = `
  SELECT f.sid FROM session_fates f
  JOIN refresh_tokens t ON t.id = f.family_id AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp()
  WHERE f.family_id > $1 AND f.ended_at IS NULL ORDER BY f.family_id LIMIT $2`;

const LINKED_TO = `SELECT sid FROM session_fates WHERE family_id = $1 AND ended_at IS NULL`;

const IS_REVOKED = `
  SELECT 1 FROM session_fates WHERE sid = $1 AND (ended_at IS NOT NULL OR ends_at <= clock_timestamp())`;

/** The records of sessions that are not in the database. */
@Injectable()
export class SessionRecordStore {
  private readonly findText: string;
  private readonly updateText: string;
  private readonly removeText: string;
  private readonly renameText: string;
  private readonly addText: string;
  private readonly expiredText: string;
  private readonly revivableText: string;

  constructor(
    private readonly database: Database,
    { qualifiedName }: SessionTable,
    @Inject(CONFIG) { sessionUserKey }: TransitionConfig,
  ) {
    this.findText = findIn(qualifiedName, sessionUserKey);
    this.updateText = updateIn(qualifiedName, sessionUserKey);
    this.removeText = removeIn(qualifiedName);
    this.renameText = renameIn(qualifiedName);
    this.addText = addTo(qualifiedName);
    this.expiredText = expiredIn(qualifiedName);
    this.revivableText = revivableIn(qualifiedName);
  }

  /** Reads what is known of the sessions, by their id. Sessions that are neither recorded nor revoked are left out. */
  async find(sids: readonly string[]): Promise<ReadonlyMap<string, KnownSession>> {
    const rows = await this.database.query<KnownSession & Record<string, unknown>>(this.findText, [sids]);
    return new Map(rows.map((row) => [row.sid, row]));
  }

  /** Updates records whose user has not changed. Leaves out those that another transaction has locked. */
  async update(notes: readonly SessionNote[]): Promise<void> {
    if (notes.length === 0) return;
    await this.database.query(this.updateText, [
      notes.map(({ sid }) => sid),
      notes.map(({ text }) => text),
      notes.map(({ expiresAt }) => expiresAt),
      notes.map(({ user }) => user ?? null),
    ]);
  }

  /** Deletes the records of sessions that are gone. The families that are linked to those that had not expired are lost. */
  async remove(sids: readonly string[]): Promise<void> {
    if (sids.length > 0) await this.database.query(this.removeText, [sids]);
  }

  /** Records a session that is seen for the first time, or whose user has changed, unless its user's sessions are being revoked. */
  see(note: SessionNote): Promise<Seen> {
    return this.database.transaction((sql) => this.seeIn(sql, note));
  }

  /** The sessions, at most `batch`, that expired a minute ago or longer as far as is recorded. */
  async expired(batch: number): Promise<string[]> {
    return this.sids(this.expiredText, [batch]);
  }

  /** Revoked sessions that the product's store may still have. */
  async revivable(seconds: number, batch: number): Promise<string[]> {
    return this.sids(this.revivableText, [seconds, batch]);
  }

  /** The next linked sessions in the order of their families. */
  async linkedAfter(family: string, batch: number): Promise<string[]> {
    return this.sids(LINKED_AFTER, [family, batch]);
  }

  /** The session that is linked to the family. */
  async linkedTo(family: string): Promise<string | undefined> {
    return (await this.sids(LINKED_TO, [family]))[0];
  }

  async isRevoked(sid: string): Promise<boolean> {
    return (await this.database.query(IS_REVOKED, [sid])).length > 0;
  }

  private async seeIn(sql: Sql, { sid, user, text, expiresAt }: SessionNote): Promise<Seen> {
    const [owner] = user === undefined ? [] : await sql.query<{ id: string }>(LOCK_USER, [user]);
    if (owner === undefined) {
      await sql.query(this.renameText, [sid, text, expiresAt]);
      return 'unknown user';
    }
    const [found] = await sql.query<{ revoked: boolean; searching: boolean }>(OBSTACLES, [sid, owner.id]);
    if (found!.revoked) return 'revoked';
    if (found!.searching) {
      // It must not be accepted for the user whom it named before.
      await sql.query(this.renameText, [sid, NOBODY, expiresAt]);
      return 'searching';
    }
    await sql.query(this.addText, [sid, text, expiresAt]);
    return 'recorded';
  }

  private async sids(text: string, values: readonly unknown[]): Promise<string[]> {
    return (await this.database.query<{ sid: string }>(text, values)).map(({ sid }) => sid);
  }
}
