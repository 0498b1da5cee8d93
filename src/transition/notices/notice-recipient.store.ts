import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import type { Delivery } from '../../operations/mail/mail.js';
import type { SessionUse } from '../report/session-use.store.js';
import type { NoticeLetter } from './notice-mail.js';

/** Asked so often a server that says "not now" has its way: about three hours after the first time. */
export const MAX_ATTEMPTS = 20;

const ADD = `
  INSERT INTO notice_recipients (notice_id, user_id, username, email, user_agent, last_seen)
  SELECT $1, users.id, username, email, use."userAgent", use."lastSeen"
  FROM json_to_recordset($2::json) AS use ("userId" uuid, "userAgent" text, "lastSeen" timestamptz)
  JOIN users ON users.id = use."userId"
  WHERE email IS NOT NULL AND email <> '' AND disabled_at IS NULL
  ON CONFLICT DO NOTHING
  RETURNING user_id`;

/** The session is known to others of the same role by its process and the moment it began. */
const CLAIM = `
  UPDATE notice_recipients AS letter
  SET state = 'sending', attempts = attempts + 1, claimed_at = clock_timestamp(), session_pid = pg_backend_pid(),
    session_started_at = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
  FROM deprecation_notices AS notice
  WHERE notice.id = letter.notice_id AND (letter.notice_id, letter.user_id) = (
    SELECT notice_id, user_id FROM notice_recipients
    WHERE state = 'queued' AND due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING notice_id AS "noticeId", user_id AS "userId", username, email, user_agent AS "userAgent",
    last_seen AS "lastSeen", subject, text, sunset_at AS "sunsetAt", attempts`;

const HAND_OVER = `
  UPDATE notice_recipients SET state = 'handed_over'
  WHERE notice_id = $1 AND user_id = $2 AND attempts = $3 AND state = 'sending' AND session_pid = pg_backend_pid()
  RETURNING user_id`;

/** Also over the guess of another node that found the claim's session gone: this one knows. */
const SETTLE = `
  UPDATE notice_recipients
  SET state = $4, confirmed = $5, reply = $6, session_pid = NULL, session_started_at = NULL,
    settled_at = CASE WHEN $4 = 'queued' THEN NULL ELSE clock_timestamp() END,
    attempts = attempts - $8::integer, due_at = now() + make_interval(secs => $7)
  WHERE notice_id = $1 AND user_id = $2 AND attempts = $3
    AND (state IN ('sending', 'handed_over') OR (state = 'sent' AND NOT confirmed))`;

const RELEASE = `
  UPDATE notice_recipients
  SET state = CASE WHEN state = 'sending' AND claimed_at > pg_postmaster_start_time() THEN 'queued' ELSE 'sent' END,
    confirmed = state = 'sending' AND claimed_at > pg_postmaster_start_time(),
    settled_at = CASE WHEN state = 'sending' AND claimed_at > pg_postmaster_start_time() THEN NULL
      ELSE clock_timestamp() END,
    session_pid = NULL, session_started_at = NULL
  WHERE state IN ('sending', 'handed_over') AND NOT EXISTS (
    SELECT 1 FROM pg_stat_activity
    WHERE pid = session_pid AND (backend_start IS NULL OR backend_start = session_started_at))`;

const GIVE_UP = `
  UPDATE notice_recipients SET state = 'failed', settled_at = clock_timestamp()
  FROM deprecation_notices AS notice
  WHERE notice.id = notice_id AND state = 'queued' AND created_at < now() - make_interval(days => $1)`;

const NEXT_DUE = `
  SELECT greatest(0, extract(epoch FROM min(due_at) - now()))::double precision AS seconds
  FROM notice_recipients WHERE state = 'queued'`;

/** Seconds: doubled with each attempt, a quarter of an hour at most; and for a server that nobody gets through to. */
const LONGEST_WAIT = 900;
const UNREACHABLE_WAIT = 5;

/**
 * What becomes of each mail. A mail belongs to the database session that claimed it for as long as that session lives: what a dead
 * node had is free again at once, and what a living one has is nobody else's.
 */
@Injectable()
export class NoticeRecipientStore {
  constructor(private readonly database: Database) {}

  /** Queues a mail for each of the users who has an address and may log in; says for how many. */
  async add(sql: Sql, noticeId: string, uses: readonly SessionUse[]): Promise<number> {
    return (await sql.query(ADD, [noticeId, JSON.stringify(uses)])).length;
  }

  /** The mail that is longest due, now this session's alone; undefined if none is. */
  async claim(session: Sql): Promise<NoticeLetter | undefined> {
    return (await session.query<NoticeLetter & Record<string, unknown>>(CLAIM))[0];
  }

  /**
   * Notes that the server may have the mail from now on, and calls `release` when that is on its way to the database, without waiting
   * for it to arrive: the two writes follow each other, so that a kill finds no time between them. `committed` never rejects; the session
   * is free after it. Throws, and releases nothing, if the mail is not this session's any more.
   */
  async handOver(
    session: Sql,
    { noticeId, userId, attempts }: NoticeLetter,
    release: () => void,
  ): Promise<{ committed: Promise<unknown> }> {
    await session.query('BEGIN');
    const rows = await session.query(HAND_OVER, [noticeId, userId, attempts]);
    if (rows.length === 0) throw new Error('the mail is not of this session any more');
    const commit = session.query('COMMIT');
    release();
    return { committed: commit.catch(() => undefined) };
  }

  /** What came of it. */
  async settle(sql: Sql, letter: NoticeLetter, { outcome, reply }: Delivery): Promise<void> {
    const { noticeId, userId, attempts } = letter;
    const again = outcome === 'unreachable' || (outcome === 'deferred' && attempts < MAX_ATTEMPTS);
    const state = again ? 'queued' : outcome === 'accepted' || outcome === 'unknown' ? 'sent' : 'failed';
    await sql.query(SETTLE, [
      noticeId,
      userId,
      attempts,
      state,
      outcome !== 'unknown',
      outcome === 'accepted' ? null : (reply ?? null),
      outcome === 'unreachable' ? UNREACHABLE_WAIT : outcome === 'deferred' ? waitAfter(attempts) : 0,
      outcome === 'unreachable' ? 1 : 0,
    ]);
  }

  /**
   * Takes the mails of ended sessions. One that was not handed over was not sent and is queued again; one that was may have been
   * accepted and counts as sent, as does one that a restart of PostgreSQL may have forgotten the handing over of.
   */
  async release(): Promise<void> {
    await this.database.query(RELEASE);
  }

  /** What is not sent so many days after its notice never is. */
  async giveUp(days: number): Promise<void> {
    await this.database.query(GIVE_UP, [days]);
  }

  /** Seconds until a mail is due; undefined if none is queued. */
  async nextDue(): Promise<number | undefined> {
    const [row] = await this.database.query<{ seconds: number | null }>(NEXT_DUE);
    return row?.seconds ?? undefined;
  }
}

/** Spread, so that mails deferred together do not come back together. */
function waitAfter(attempts: number): number {
  return Math.min(LONGEST_WAIT, 2 ** attempts) * (0.75 + Math.random() / 2);
}
