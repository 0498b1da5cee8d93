import type { RemoteSession } from './remote-sessions.js';

/** What is recorded of a session. */
export interface SessionNote {
  readonly sid: string;
  readonly user: string | undefined;
  /** The session as the column `sess` holds it. */
  readonly text: string;
  /** Milliseconds. */
  readonly expiresAt: number;
  /** The record is renewed when the session lives this many milliseconds longer than recorded. */
  readonly slack: number;
}

/** The longest slack, and the part of the session's maximum age if that is shorter. */
const SLACK_MS = 60_000;
const SLACK_PART = 0.1;

/** Milliseconds; two readings of one expiry differ by less. */
const JITTER_MS = 2_000;

/** `path`: SESSION_USER_KEY. The text depends on nothing but the user and the attributes of the cookie. */
export function noteOf(
  { sid, user, expiresAt, cookie }: RemoteSession,
  path: readonly string[],
): SessionNote {
  const held =
    user === undefined ? {} : path.reduceRight<unknown>((inner, step) => ({ [step]: inner }), user);
  const slack = Math.max(JITTER_MS, Math.min(SLACK_MS, (cookie.originalMaxAge ?? Infinity) * SLACK_PART));
  return { sid, user, text: JSON.stringify({ ...(held as object), cookie }), expiresAt, slack };
}

/** Whether the record says enough of the session, so that no write is necessary. */
export function isRecorded(
  note: SessionNote,
  record: { readonly text: string | null; readonly expiresAt: number | null },
): boolean {
  if (record.expiresAt === null || note.text !== record.text) return false;
  const longer = note.expiresAt - record.expiresAt;
  return longer > -JITTER_MS && longer < note.slack;
}
