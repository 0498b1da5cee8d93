import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import type { Delivery } from './mail/mail-transport.js';
import type { PossibleRecipient } from './notice-audience.service.js';
import type { NoticeLetter } from './notice-mail.js';

/** How many temporary refusals make a mail fail. The last one is about three hours after the first one. */
export const MAX_ATTEMPTS = 20;

/** One person who gets a notice. */
export interface Recipient {
  readonly user_id: string;
  readonly username: string;
  readonly email: string;
  /** The program that used a session last, and when. */
  readonly user_agent: string;
  readonly last_seen: Date;
}

/**
 * The recipients among the users in the JSON. A user without a live session who got tokens after the last use of one has moved. A request
 * that was under way at that moment is counted when it is answered, so a minute is allowed for it.
 */
const chosenFrom = (json: string) => `
  FROM json_to_recordset(${json}::json)
    AS use ("userId" uuid, "userAgent" text, "lastSeen" timestamptz, "signedIn" boolean)
  JOIN users ON users.id = use."userId"
  WHERE email IS NOT NULL AND email <> '' AND disabled_at IS NULL AND (use."signedIn" OR NOT EXISTS (
    SELECT 1 FROM refresh_tokens t
    WHERE t.user_id = users.id AND t.created_at > use."lastSeen" - interval '1 minute'))`;

const ADD = `
  INSERT INTO notice_recipients (notice_id, user_id, username, email, user_agent, last_seen)
  SELECT $1, users.id, username, email, use."userAgent", use."lastSeen" ${chosenFrom('$2')}
  ON CONFLICT DO NOTHING
  RETURNING user_id`;

const CHOOSE = `
  SELECT users.id AS user_id, username, email, use."userAgent" AS user_agent, use."lastSeen" AS last_seen
  ${chosenFrom('$1')} ORDER BY users.id`;

/** The process id and the start time of the database session tell other sessions of the same role who owns the claim. */
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

/** Also replaces `sent, unconfirmed`, which another node has assumed after the claim's session had ended. */
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

/** A session that has not claimed a mail for 30 seconds may hang: then other nodes do not wait for it. */
const NEED_SENDER = `
  SELECT EXISTS (SELECT 1 FROM deprecation_notices WHERE finished_at IS NULL) AND NOT EXISTS (
    SELECT 1 FROM notice_recipients AS letter JOIN pg_stat_activity ON pid = session_pid
    WHERE letter.state IN ('sending', 'handed_over') AND claimed_at > now() - interval '30 seconds'
      AND (backend_start IS NULL OR backend_start = session_started_at)) AS needed`;

/** Only notices that are not finished, so that it costs nothing between two notices. */
const WAITING = `
  SELECT count(letter.user_id)::integer AS waiting
  FROM deprecation_notices AS notice JOIN notice_recipients AS letter ON notice_id = notice.id
  WHERE finished_at IS NULL AND state IN ('queued', 'sending', 'handed_over')`;

/** The longest wait after a temporary refusal, in seconds. The wait doubles with each attempt. */
const LONGEST_WAIT = 900;
const UNREACHABLE_WAIT = 5;

/**
 * The state of each mail. A mail belongs to the database session that claimed it while that session exists. So the mails of a killed
 * node are free at once, and no other node takes a mail of a living one.
 */
@Injectable()
export class NoticeRecipientStore {
  constructor(private readonly database: Database) {}

  /** Queues a mail for each user who has an address, is not disabled and is not on tokens. Returns the number of mails. */
  async add(sql: Sql, noticeId: string, users: readonly PossibleRecipient[]): Promise<number> {
    return (await sql.query(ADD, [noticeId, JSON.stringify(users)])).length;
  }

  /** The users for whom {@link add} would queue a mail, ordered by id. */
  async choose(users: readonly PossibleRecipient[]): Promise<Recipient[]> {
    return this.database.query<Recipient & Record<string, unknown>>(CHOOSE, [JSON.stringify(users)]);
  }

  /** Whether a notice is not finished and no living session is sending. */
  async needSender(): Promise<boolean> {
    return (await this.database.query<{ needed: boolean }>(NEED_SENDER))[0]!.needed;
  }

  /** How many mails are not sent yet. */
  async waiting(): Promise<number> {
    return (await this.database.query<{ waiting: number }>(WAITING))[0]!.waiting;
  }

  /** Claims the mail that has been due for longest; undefined if none is due. */
  async claim(session: Sql): Promise<NoticeLetter | undefined> {
    return (await session.query<NoticeLetter & Record<string, unknown>>(CLAIM))[0];
  }

  /**
   * Records that the server may have the mail from now on. Sends the COMMIT and calls `release` without waiting for the answer: the two
   * writes follow each other, so a kill hardly ever falls between them. `committed` never rejects; the session is free after it.
   * Throws, without a release, if another session owns the mail by now.
   */
  async handOver(
    session: Sql,
    { noticeId, userId, attempts }: NoticeLetter,
    release: () => void,
  ): Promise<{ committed: Promise<unknown> }> {
    await session.query('BEGIN');
    const rows = await session.query(HAND_OVER, [noticeId, userId, attempts]);
    if (rows.length === 0) throw new Error('the mail does not belong to this session any more');
    const commit = session.query('COMMIT');
    release();
    return { committed: commit.catch(() => undefined) };
  }

  /** Stores the result of an attempt. */
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
   * Takes the mails of sessions that have ended. A mail that was not handed over was not sent: it is queued again. One that was handed
   * over counts as sent. A mail that was claimed before a restart of PostgreSQL counts as sent too, because a crash may lose the record.
   */
  async release(): Promise<void> {
    await this.database.query(RELEASE);
  }

  /** Marks mails as failed that are still queued this number of days after their notice. */
  async giveUp(days: number): Promise<void> {
    await this.database.query(GIVE_UP, [days]);
  }
}

/** Returns the wait after a temporary refusal, in seconds. Jitter spreads mails that were deferred together. */
function waitAfter(attempts: number): number {
  return Math.min(LONGEST_WAIT, 2 ** attempts) * (0.75 + Math.random() / 2);
}
