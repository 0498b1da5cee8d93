import { Injectable, Logger } from '@nestjs/common';
import { DatabaseUnavailable, isRefusal } from '../../../database/database.errors.js';
import { Database } from '../../../database/database.js';
import { SessionTable } from '../table/session-table.js';
import type { SessionExtension } from './session.store.js';

const deleteIn = ({ qualifiedName, layout: { sid } }: SessionTable) =>
  `DELETE FROM ${qualifiedName} WHERE ${sid} = ANY ($1::text[]) RETURNING ${sid} AS sid`;

/** A minute in the past, so that a slow clock of another application sees it as expired too. */
const expireIn = (table: SessionTable) => `
  UPDATE ${table.qualifiedName} s SET ${table.layout.expire} = ${table.stored(`clock_timestamp() - interval '1 minute'`)}
  WHERE s.${table.layout.sid} = ANY ($1::text[]) AND ${table.expiryOf('s')} > clock_timestamp()`;

const extendIn = (table: SessionTable) => `
  UPDATE ${table.qualifiedName} s SET ${table.layout.expire} = ${table.stored('w.until')}
  FROM unnest($1::text[], $2::timestamptz[]) AS w (sid, until)
  WHERE s.${table.layout.sid} = w.sid AND ${table.expiryOf('s')} > clock_timestamp()
    AND ${table.expiryOf('s')} < w.until - interval '1 second'`;

/** Another application may write the row again at the end of a request that began before the revocation. */
const revivedIn = (table: string) => `
  SELECT s.sid FROM ${table} s JOIN session_fates f ON f.sid = s.sid
  WHERE s.expire > clock_timestamp()
    AND (f.ended_at > clock_timestamp() - make_interval(secs => $1) OR f.ends_at < clock_timestamp())
  LIMIT $2`;

/** The oldest first. Rows that cannot be deleted are skipped in this order. */
const expiredIn = (table: string) => `
  SELECT sid, expire::timestamptz::text AS expire FROM ${table} s
  WHERE expire < now() - interval '1 minute' AND expire > $1::timestamptz ORDER BY expire LIMIT $2`;

const BEGINNING = '-infinity';

/** Bounds the statements with which one call isolates the rows that the table refuses to write. */
const MOST_PARTS = 100;

/** SQLSTATEs that hold for every row: no privilege, or not for this kind of table. */
const FOR_ALL_ROWS = /^(?:42501|0A000)$/;

/**
 * Writes rows of the table of sessions, which another application may own, after our own tables have been committed. No revocation depends
 * on these writes: privileges, foreign keys, triggers and rules of that table may refuse any of them. This service refuses the session
 * in any case; for the other application, its row is deleted or else expired. No method throws on a refusal.
 */
@Injectable()
export class SessionRowStore {
  private readonly logger = new Logger(SessionRowStore.name);
  /** The refusals that have been logged. */
  private readonly logged = new Set<string>();
  private skippedTo = BEGINNING;

  private readonly deleteText: string;
  private readonly expireText: string;
  private readonly extendText: string;
  private readonly revivedText: string;
  private readonly expiredText: string;

  constructor(
    private readonly database: Database,
    private readonly table: SessionTable,
  ) {
    this.deleteText = deleteIn(table);
    this.expireText = expireIn(table);
    this.extendText = extendIn(table);
    this.revivedText = revivedIn(table.rows);
    this.expiredText = expiredIn(table.rows);
  }

  /** Deletes the rows of revoked sessions, or expires them. Never throws. */
  async remove(sids: readonly string[]): Promise<void> {
    if (sids.length === 0) return;
    await this.inParts(sids, async (part) => {
      const left = await this.delete(part);
      if (left.length > 0) await this.database.query(this.expireText, [left]);
    });
  }

  /** Extends those live sessions that would expire earlier. Never throws. */
  async extend(extensions: readonly SessionExtension[]): Promise<void> {
    if (extensions.length === 0) return;
    await this.inParts(extensions, (part) =>
      this.database.query(this.extendText, [
        part.map(({ sid }) => sid),
        part.map(({ until }) => until.toISOString()),
      ]),
    );
  }

  /** Removes live rows of sessions that were revoked in the last `seconds`, or that have reached their end. */
  async removeRevived(seconds: number, batch: number): Promise<void> {
    const rows = await this.database.query<{ sid: string }>(this.revivedText, [seconds, batch]);
    await this.remove(rows.map(({ sid }) => sid));
  }

  /** Deletes at most `batch` rows that expired a minute ago or longer. */
  async removeExpired(batch: number): Promise<void> {
    const rows = await this.database.query<{ sid: string; expire: string }>(this.expiredText, [
      this.skippedTo,
      batch,
    ]);
    let left = 0;
    await this.inParts(
      rows.map(({ sid }) => sid),
      async (part) => void (left += (await this.delete(part)).length),
    );
    this.skippedTo = rows.length < batch ? BEGINNING : left > 0 ? rows.at(-1)!.expire : this.skippedTo;
  }

  /** Returns the ids that were not deleted: they were missing, or the table refuses it. */
  private async delete(sids: readonly string[]): Promise<readonly string[]> {
    try {
      const rows = await this.database.query<{ sid: string }>(this.deleteText, [sids]);
      const deleted = new Set(rows.map(({ sid }) => sid));
      return sids.filter((sid) => !deleted.has(sid));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.logOnce(
        `the table ${this.table.shown} refuses to delete revoked sessions: they are expired instead`,
        error,
      );
      return sids;
    }
  }

  /** Does the work for all rows. If the table refuses it, does it for each half, so that one odd row does not block the others. */
  private async inParts<T>(all: readonly T[], work: (part: readonly T[]) => Promise<unknown>): Promise<void> {
    const parts = [all];
    for (let count = 0; parts.length > 0 && count < MOST_PARTS; count += 1) {
      const part = parts.pop()!;
      if (part.length === 0) continue;
      try {
        await work(part);
      } catch (error) {
        this.logOnce(`the table ${this.table.shown} refuses a change: see npm run admin -- doctor`, error);
        if (!isRefusal(error) || FOR_ALL_ROWS.test(codeOf(error))) return;
        const middle = Math.ceil(part.length / 2);
        if (part.length > 1) parts.push(part.slice(middle), part.slice(0, middle));
      }
    }
  }

  /** Logs each kind of refusal once. */
  private logOnce(message: string, error: unknown): void {
    const kind = `${message} ${codeOf(error)}`;
    if (this.logged.has(kind)) return;
    this.logged.add(kind);
    this.logger.warn({ err: error }, message);
  }
}

function codeOf(error: unknown): string {
  const { code } = Object(error instanceof DatabaseUnavailable ? error.cause : error) as { code?: unknown };
  return String(code);
}
