import { Injectable, Logger } from '@nestjs/common';
import { DatabaseUnavailable, isRefusal } from '../../../database/database.errors.js';
import { Database } from '../../../database/database.js';

const DELETE = `DELETE FROM session WHERE sid = ANY ($1::text[]) RETURNING sid`;

/** In the past for a clock that is behind, too. */
const EXPIRE = `
  UPDATE session SET expire = clock_timestamp() - interval '1 minute'
  WHERE sid = ANY ($1::text[]) AND expire > clock_timestamp()`;

const EXTEND = `
  UPDATE session SET expire = w.until
  FROM unnest($1::text[], $2::timestamptz[]) AS w (sid, until)
  WHERE session.sid = w.sid AND expire > clock_timestamp() AND expire < w.until - interval '1 second'`;

/** A request that another application was serving when the session ended may have written its row again. */
const REVIVED = `
  SELECT s.sid FROM session s JOIN session_fates f ON f.sid = s.sid
  WHERE s.expire > clock_timestamp()
    AND (f.ended_at > clock_timestamp() - make_interval(secs => $1) OR f.ends_at < clock_timestamp())
  LIMIT $2`;

/** The oldest first: rows that cannot be deleted are passed over, in the order of their time. */
const EXPIRED = `
  SELECT sid, expire::timestamptz::text AS expire FROM session
  WHERE expire < now() - interval '1 minute' AND expire > $1::timestamptz ORDER BY expire LIMIT $2`;

const EVER = '-infinity';

/** Statements that one call may need to find the rows that refuse to be written among those that do not. */
const MOST_PARTS = 100;

/** SQLSTATE: no privilege, or not for this kind of table. It is so for each of the rows. */
const FOR_ALL_ROWS = /^(?:42501|0A000)$/;

/** A session that is to live until then at least. */
export interface SessionExtension {
  readonly sid: string;
  readonly until: Date;
}

/**
 * Writes rows of the table `session`, which another application may own, after what they stand for has been committed in tables of
 * our own. Nothing depends on it: privileges, foreign keys, triggers and rules of that table may refuse any of these writes. Here the
 * session has ended in any case; for the other application its row is deleted, or else expired. No method fails on a refusal.
 */
@Injectable()
export class SessionRowStore {
  private readonly logger = new Logger(SessionRowStore.name);
  /** What has been said. */
  private readonly refusals = new Set<string>();
  private passedOver = EVER;

  constructor(private readonly database: Database) {}

  /** The sessions have ended: their rows go. Never throws. */
  async end(sids: readonly string[]): Promise<void> {
    if (sids.length === 0) return;
    await this.inParts(sids, async (part) => {
      const left = await this.delete(part);
      if (left.length > 0) await this.database.query(EXPIRE, [left]);
    });
  }

  /** Those of the live sessions that would expire before live until then. Never throws. */
  async extend(extensions: readonly SessionExtension[]): Promise<void> {
    if (extensions.length === 0) return;
    await this.inParts(extensions, (part) =>
      this.database.query(EXTEND, [part.map(({ sid }) => sid), part.map(({ until }) => until.toISOString())]),
    );
  }

  /** Ends live rows of sessions that ended in the last so many seconds, or whose time is over. */
  async endRevived(seconds: number, batch: number): Promise<void> {
    const rows = await this.database.query<{ sid: string }>(REVIVED, [seconds, batch]);
    await this.end(rows.map(({ sid }) => sid));
  }

  /** Deletes at most `batch` rows that expired a minute ago or longer. */
  async removeExpired(batch: number): Promise<void> {
    const rows = await this.database.query<{ sid: string; expire: string }>(EXPIRED, [
      this.passedOver,
      batch,
    ]);
    let left = 0;
    await this.inParts(
      rows.map(({ sid }) => sid),
      async (part) => void (left += (await this.delete(part)).length),
    );
    this.passedOver = rows.length < batch ? EVER : left > 0 ? rows.at(-1)!.expire : this.passedOver;
  }

  /** Those that are not deleted: they were not there, or the table does not allow it. */
  private async delete(sids: readonly string[]): Promise<readonly string[]> {
    try {
      const rows = await this.database.query<{ sid: string }>(DELETE, [sids]);
      const gone = new Set(rows.map(({ sid }) => sid));
      return sids.filter((sid) => !gone.has(sid));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.refused('the table session does not let sessions that ended be deleted: they are expired', error);
      return sids;
    }
  }

  /** Does the work for all, and if the table refuses that, for the halves: one odd row does not spoil it for the others. */
  private async inParts<T>(all: readonly T[], work: (part: readonly T[]) => Promise<unknown>): Promise<void> {
    const parts = [all];
    for (let count = 0; parts.length > 0 && count < MOST_PARTS; count += 1) {
      const part = parts.pop()!;
      if (part.length === 0) continue;
      try {
        await work(part);
      } catch (error) {
        this.refused('the table session refuses a change: see npm run admin -- doctor', error);
        if (!isRefusal(error) || FOR_ALL_ROWS.test(codeOf(error))) return;
        const middle = Math.ceil(part.length / 2);
        if (part.length > 1) parts.push(part.slice(middle), part.slice(0, middle));
      }
    }
  }

  /** Each kind of refusal is said once. */
  private refused(message: string, error: unknown): void {
    const kind = `${message} ${codeOf(error)}`;
    if (this.refusals.has(kind)) return;
    this.refusals.add(kind);
    this.logger.warn({ err: error }, message);
  }
}

function codeOf(error: unknown): string {
  const { code } = Object(error instanceof DatabaseUnavailable ? error.cause : error) as { code?: unknown };
  return String(code);
}
