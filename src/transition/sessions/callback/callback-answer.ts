import { CallbackFailure } from './callback-client.js';
import type { CallbackAnswer } from './callback-client.js';

/** A session as the product describes it. */
export interface DescribedSession {
  /** The user's external id, or a UUID. */
  readonly user: string;
  /** The product's own id of the session. It may be as secret as the cookie: it is never stored as it is. */
  readonly session: string;
  /** Milliseconds on the database's clock; never later than the product ends it by itself. */
  readonly expiresAt: number;
}

/** The header `Date` is in whole seconds. */
const ROUNDING_MS = 1_000;

/** Ten years: PostgreSQL cannot store every time that a product may answer. */
const LONGEST_MS = 10 * 31_536_000_000;

/** The form of an external id. A UUID has it too. */
const USER = /^(?!\.{1,2}$|-$)[A-Za-z0-9._~@:|+=-]{1,128}$/;

/** Visible ASCII characters. */
export const SESSION = /^[!-~]{1,255}$/;

/** RFC 3339, section 5.6: with a time zone, and no other form that `Date.parse` knows. */
const TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/**
 * The session that an answer to GET describes; undefined for 401. `now`: the database's clock when Tandem asked. Throws
 * {@link CallbackFailure} for any other answer, also for one that came from a cache: it may be about another cookie.
 */
export function describedIn(
  { status, headers, body }: CallbackAnswer,
  now: number,
): DescribedSession | undefined {
  if (headers.age !== undefined) throw new CallbackFailure('FROM_A_CACHE');
  if (status === 401) return undefined;
  if (status !== 200) throw new CallbackFailure(`HTTP_${status}`);
  const { user, session, expires_at: expires } = fieldsIn(body);
  if (typeof user !== 'string' || !USER.test(user)) throw new CallbackFailure('NO_USER');
  if (typeof session !== 'string' || !SESSION.test(session)) throw new CallbackFailure('NO_SESSION');
  const until =
    typeof expires === 'string' && TIME.test(expires) ? Date.parse(expires.replace(' ', 'T')) : Number.NaN;
  if (!Number.isFinite(until)) throw new CallbackFailure('NO_EXPIRES_AT');
  return { user, session, expiresAt: Math.min(onOurClock(until, headers.date, now), now + LONGEST_MS) };
}

/** The product may have another clock: its header `Date` shows how much it differs. */
function onOurClock(time: number, date: string | undefined, now: number): number {
  const theirs = Date.parse(date ?? '');
  return Number.isFinite(theirs) ? now + (time - theirs) - ROUNDING_MS : time;
}

/** The cookies that an answer to POST sets. */
export interface NewCookies {
  /** `Set-Cookie` lines for the client. */
  readonly lines: readonly string[];
  /** The value of the session cookie, as it is in a Cookie header. */
  readonly value: string;
}

/** The cookies of an answer to POST. Throws {@link CallbackFailure} if it does not set the session cookie once. */
export function newCookiesIn({ status, headers }: CallbackAnswer, name: string): NewCookies {
  if (status !== 200) throw new CallbackFailure(`HTTP_${status}`);
  const lines = (headers['set-cookie'] ?? []).filter((line) => nameOf(line) !== RESERVED);
  const values = lines.filter((line) => nameOf(line) === name).map(valueOf);
  const [value] = values;
  if (value === undefined || value === '' || values.length > 1)
    throw new CallbackFailure('NO_SESSION_COOKIE');
  return { lines, value };
}

/** The cookie of refresh tokens: the product may not set it. */
const RESERVED = 'refresh_token';

function nameOf(line: string): string {
  return line.slice(0, Math.max(line.indexOf('='), 0)).trim();
}

function valueOf(line: string): string {
  const [pair = ''] = line.split(';', 1);
  return pair.slice(pair.indexOf('=') + 1).trim();
}

function fieldsIn(body: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch {
    // The same failure as for any other text.
  }
  throw new CallbackFailure('NO_JSON');
}
