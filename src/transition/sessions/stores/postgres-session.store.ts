import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../../audit/audit-context.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { batched } from '../../../database/batched.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import { SessionLinkStore } from '../link/session-link.store.js';
import { SessionListStore } from '../listing/session-list.store.js';
import type { SessionLayout } from '../table/session-layout.js';
import { SessionTable } from '../table/session-table.js';
import {
  IS_LIVE,
  milliseconds,
  onSessionTable,
  userIn,
  userNamed,
  writeSessionTable,
} from './session-table.sql.js';
import { SessionOriginService } from './session-origin.service.js';
import { storedCookieIn } from './express-session.codec.js';
import type { StoredCookie } from './express-session.codec.js';
import { SessionRowStore } from './session-row.store.js';
import { SessionStore } from './session.store.js';
import type {
  LinkState,
  LiveSession,
  NewSession,
  SessionExtension,
  Sweep,
  UnlinkedSession,
} from './session.store.js';

/** A row of the statement that finds live sessions: with its content, and the proof of its origin. */
export interface FoundSession extends Omit<LiveSession, 'cookie' | 'maxAge'> {
  readonly sess: string;
  readonly begunMacs: unknown;
}

/** Moves the expiry to `expiresAt` if it is before `unless`. In milliseconds. */
interface Extension {
  readonly sid: string;
  readonly expiresAt: number;
  readonly unless: number;
}

const findBy = (table: string, user: string) => `
  SELECT s.sid, u.id AS "userId", u.role, u.external_id AS "externalId", named.name, u.epoch, CASE WHEN f.user_id = u.id THEN f.family_id END AS "familyId",
    ${milliseconds('s.expire::timestamptz')} AS "expiresAt", ${milliseconds('f.ends_at')} AS "endsAt",
    f.downgraded_id IS NOT NULL AND f.seen_at IS NULL AS unseen, f.begun_macs AS "begunMacs",
    ${milliseconds('clock_timestamp()')} AS now, s.sess::text AS sess
  FROM ${table} s
  CROSS JOIN LATERAL (SELECT ${user} AS name OFFSET 0) named
  JOIN users u ON u.id = ${userNamed('named.name')} AND u.disabled_at IS NULL
  LEFT JOIN session_fates f ON f.sid = s.sid
  WHERE s.sid = ANY ($1::text[]) AND ${IS_LIVE}`;

/** The user whom a live session names. There may be no such user. */
const namedBy = (table: string, user: string) => `
  SELECT named.name FROM ${table} s
  CROSS JOIN LATERAL (SELECT ${user} AS name OFFSET 0) named
  LEFT JOIN session_fates f ON f.sid = s.sid
  WHERE s.sid = $1 AND s.expire > clock_timestamp() AND f.ended_at IS NULL
    AND (f.ends_at IS NULL OR f.ends_at > clock_timestamp())`;

/** SKIP LOCKED: a locked session is extended by its next request, so that nobody waits and no deadlock can arise. */
const touchIn = (table: SessionTable) => `
  WITH due AS (
    SELECT wanted.sid, wanted.expires
    FROM unnest($1::text[], $2::float8[], $3::float8[]) AS wanted (sid, expires, unless)
    JOIN ${table.qualifiedName} s ON s.${table.layout.sid} = wanted.sid
    WHERE ${table.expiryOf('s')} < to_timestamp(wanted.unless / 1000) FOR UPDATE OF s SKIP LOCKED
  )
  UPDATE ${table.qualifiedName} s SET ${table.layout.expire} = ${table.stored('to_timestamp(due.expires / 1000)')}
  FROM due WHERE s.${table.layout.sid} = due.sid
  RETURNING due.sid, (${table.layout.sess})::text AS sess`;

const readIn = (table: string) => `SELECT sess::text AS sess FROM ${table} WHERE sid = $1`;

const readLinkedIn = (table: string) => `
  SELECT s.sess::text AS sess FROM session_fates f JOIN ${table} s ON s.sid = f.sid WHERE f.family_id = $1`;

/** FOR SHARE: a concurrent revocation of the user either waits and then sees this session, or is seen here. */
const createIn = ({ qualifiedName, layout }: SessionTable) => `
  WITH u AS (
    SELECT id FROM users WHERE id = $4 AND epoch = $5 AND disabled_at IS NULL FOR SHARE
  ), made AS (
    INSERT INTO ${qualifiedName} (${newRowOf(layout).columns}) SELECT ${newRowOf(layout).values} FROM u
    RETURNING ${layout.sid} AS sid
  ), begun AS (
    INSERT INTO session_fates (sid, user_id, begun_macs) SELECT sid, $4, $9::jsonb FROM made
  ), audited AS (
    INSERT INTO audit_events (event, cause, user_id, ip, user_agent, request_id)
    SELECT 'login', 'session', $4, $6, $7, $8 FROM made
  )
  SELECT sid FROM made`;

const insertIn = ({ qualifiedName, layout }: SessionTable) => `
  INSERT INTO ${qualifiedName} (${newRowOf(layout).columns}) VALUES (${newRowOf(layout).values})`;

const newRowOf = (layout: SessionLayout) =>
  layout.insertion('$1', '$2::json', 'to_timestamp($3::float8 / 1000)');

/** Sessions in a table of the database, as connect-pg-simple keeps them. The product may use the table too. */
@Injectable()
export class PostgresSessionStore extends SessionStore {
  private readonly find: string;
  private readonly named: string;
  private readonly touchText: string;
  private readonly readText: string;
  private readonly readLinkedText: string;
  private readonly createText: string;
  private readonly insertText: string;
  private readonly liveOf = batched((sids: readonly string[]) => this.read(this.database, sids), {
    request: (sid) => sid,
    row: ({ sid }) => sid,
  });
  private readonly touched = batched((extensions: readonly Extension[]) => this.touchAll(extensions), {
    request: ({ sid }) => sid,
    row: ({ sid }) => sid,
  });
  /** The sessions that are being extended. */
  private readonly touching = new Set<string>();

  constructor(
    private readonly database: Database,
    private readonly table: SessionTable,
    private readonly origins: SessionOriginService,
    private readonly rows: SessionRowStore,
    private readonly links: SessionLinkStore,
    private readonly list: SessionListStore,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    super();
    const user = userIn(table, config.sessionUserKey);
    this.named = namedBy(table.rows, user);
    this.find = findBy(table.rows, user);
    this.touchText = touchIn(table);
    this.readText = readIn(table.rows);
    this.readLinkedText = readLinkedIn(table.rows);
    this.createText = createIn(table);
    this.insertText = insertIn(table);
  }

  live(sid: string): Promise<LiveSession | undefined> {
    return this.liveOf(sid);
  }

  async userNamedBy(sid: string): Promise<string | undefined> {
    const [row] = await onSessionTable(() => this.database.query<{ name: string | null }>(this.named, [sid]));
    return row?.name ?? undefined;
  }

  async liveIn(sql: Sql, sid: string): Promise<LiveSession | undefined> {
    return (await this.read(sql, [sid]))[0];
  }

  /** Changes nothing while the row is locked or another request extends it. */
  async touch(sid: string, expiresAt: number, unless: number): Promise<StoredCookie | undefined> {
    if (this.touching.has(sid)) return undefined;
    this.touching.add(sid);
    try {
      const row = await this.touched({ sid, expiresAt, unless });
      return row && storedCookieIn(row.sess);
    } finally {
      this.touching.delete(sid);
    }
  }

  async cookieOfFamily(sql: Sql, familyId: string): Promise<StoredCookie | undefined> {
    const [row] = await onSessionTable(() => sql.query<{ sess: string }>(this.readLinkedText, [familyId]));
    return row && storedCookieIn(row.sess);
  }

  async cookieOf(sid: string, sql: Sql = this.database): Promise<StoredCookie | undefined> {
    const [row] = await onSessionTable(() => sql.query<{ sess: string }>(this.readText, [sid]));
    return row && storedCookieIn(row.sess);
  }

  async create(
    { sid, userId, sess, expiresAt }: NewSession,
    epoch: number,
    origin: Origin,
  ): Promise<boolean> {
    const { ip, userAgent, requestId } = origin;
    const begun = JSON.stringify(this.origins.prove(sid, userId));
    const values = [sid, JSON.stringify(sess), expiresAt, userId, epoch, ip, userAgent, requestId, begun];
    return (await onSessionTable(() => this.database.query(this.createText, values))).length > 0;
  }

  async insert<Session extends NewSession>(sql: Sql, session: Session): Promise<Session> {
    const { sid, sess, expiresAt } = session;
    await writeSessionTable(sql, () => sql.query(this.insertText, [sid, JSON.stringify(sess), expiresAt]));
    return session;
  }

  async setCookiesOf(): Promise<undefined> {}

  extend(extensions: readonly SessionExtension[]): Promise<void> {
    return this.rows.extend(extensions);
  }

  /** Locks the row, so that the product cannot delete it before the link is committed. */
  hold(sql: Sql, sid: string, userId: string, until: number): Promise<boolean> {
    return this.links.lockRow(sql, sid, userId, until);
  }

  remove(sids: readonly string[]): Promise<void> {
    return this.rows.remove(sids);
  }

  /** The table holds all sessions, so the caller knows every session of the users. */
  async refuseUnseen(): Promise<void> {}

  clear(sids: readonly string[]): Promise<void> {
    return this.rows.remove(sids);
  }

  removeRevived(seconds: number, batch: number): Promise<void> {
    return this.rows.removeRevived(seconds, batch);
  }

  removeExpired(batch: number): Promise<void> {
    return this.rows.removeExpired(batch);
  }

  ofUser(userId: string): Promise<UnlinkedSession[]> {
    return this.list.ofUser(userId);
  }

  stateOf(familyId: string): Promise<LinkState | undefined> {
    return this.links.stateOf(familyId);
  }

  sweep(after: string, batch: number): Promise<Sweep> {
    return this.links.sweep(after, batch);
  }

  /** The live sessions of these ids, with their content as text. */
  async found(sql: Sql, sids: readonly string[]): Promise<FoundSession[]> {
    const found = await onSessionTable(() =>
      sql.query<FoundSession & Record<string, unknown>>(this.find, [sids]),
    );
    return found.filter((session) => this.origins.signsIn(session));
  }

  private touchAll(extensions: readonly Extension[]): Promise<{ sid: string; sess: string }[]> {
    const columns = [
      extensions.map(({ sid }) => sid),
      extensions.map(({ expiresAt }) => expiresAt),
      extensions.map(({ unless }) => unless),
    ];
    return this.database.query(this.touchText, columns);
  }

  private async read(sql: Sql, sids: readonly string[]): Promise<LiveSession[]> {
    const { saysLifetime } = this.table.layout;
    return (await this.found(sql, sids)).map((session) =>
      // If the product's rows do not say how long a use extends them, Tandem extends only those that it began.
      saysLifetime || session.begunMacs !== null
        ? withCookie(session)
        : { ...withCookie(session), maxAge: 0 },
    );
  }
}

/** The session with the cookie that its content holds, and without the content. */
export function withCookie({ sess, ...session }: FoundSession): LiveSession {
  const cookie = storedCookieIn(sess);
  return { ...session, cookie, maxAge: cookie.originalMaxAge ?? null };
}
