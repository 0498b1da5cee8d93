import { storedCookieOf } from '../express-session.codec.js';
import type { StoredCookie } from '../express-session.codec.js';

/** The form of a user's name in a session: what PostgreSQL accepts for a session in a table. */
const LONGEST_NAME = 256;

/** The content of a value of connect-redis. */
export interface ReadSession {
  readonly user: string | undefined;
  readonly cookie: StoredCookie;
}

/**
 * Reads what connect-redis wrote: JSON. Never throws: the value may be compressed, encrypted or from another serializer. Then the session
 * names nobody. `path`: SESSION_USER_KEY.
 */
export function sessionIn(text: string, path: readonly string[]): ReadSession {
  const session = parsed(text);
  return { user: nameOf(at(session, path)), cookie: storedCookieOf(session) };
}

/** Whether the value is JSON with a cookie, as express-session writes it. */
export function isExpressSession(text: string): boolean {
  const session = parsed(text);
  return typeof at(session, ['cookie']) === 'object' && at(session, ['cookie']) !== null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function at(value: unknown, path: readonly string[]): unknown {
  let held: unknown = value;
  for (const step of path) {
    if (typeof held !== 'object' || held === null || !Object.hasOwn(held, step)) return undefined;
    held = (held as Record<string, unknown>)[step];
  }
  return held;
}

/** A text or a whole number. PostgreSQL stores neither NUL nor half a surrogate pair. */
function nameOf(value: unknown): string | undefined {
  const name = Number.isSafeInteger(value) ? String(value) : value;
  if (typeof name !== 'string' || name === '' || name.length > LONGEST_NAME) return undefined;
  return name.includes('\0') || !name.isWellFormed() ? undefined : name;
}
