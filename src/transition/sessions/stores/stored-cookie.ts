import { isSecurePrefixed } from '../../transition.settings.js';

/** The cookie as express-session keeps it in the session, in `sess.cookie`: only what a Set-Cookie header may say. */
export interface StoredCookie {
  /** Milliseconds; null: until the browser closes. */
  readonly originalMaxAge?: number | null;
  readonly expires?: string | null;
  /** `auto`: as the connection is. */
  readonly secure?: boolean | 'auto';
  readonly httpOnly?: boolean;
  readonly domain?: string;
  readonly path?: string;
  readonly sameSite?: SameSite;
  readonly priority?: Priority;
  readonly partitioned?: boolean;
}

type SameSite = 'lax' | 'strict' | 'none';

type Priority = 'low' | 'medium' | 'high';

const SAME_SITE: readonly unknown[] = ['lax', 'strict', 'none'];
const PRIORITY: readonly unknown[] = ['low', 'medium', 'high'];

/** A host name; older libraries put a dot before it. */
const DOMAIN = /^\.?[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)*$/i;
const LONGEST_DOMAIN = 254;

/** No control character and no semicolon (RFC 6265, section 4.1.1). Browsers ignore longer ones. */
const PATH = /^\/[\u0020-\u003a\u003c-\u007e]*$/;
const LONGEST_PATH = 1_024;

/**
 * What a session's text says of its cookie. Never throws: another application may have written anything. What is no attribute of a
 * cookie is left out, as if the session did not have it.
 */
export function storedCookieIn(sess: string): StoredCookie {
  const { originalMaxAge, secure, httpOnly, domain, path, sameSite, priority, partitioned } = cookieOf(sess);
  return {
    originalMaxAge: Number.isFinite(originalMaxAge) ? (originalMaxAge as number) : null,
    secure: secure === 'auto' ? secure : secure === true,
    httpOnly: httpOnly !== false,
    ...(fits(domain, DOMAIN, LONGEST_DOMAIN) ? { domain } : {}),
    ...(fits(path, PATH, LONGEST_PATH) ? { path } : {}),
    ...sameSiteOf(sameSite),
    ...priorityOf(priority),
    ...(partitioned === true ? { partitioned } : {}),
  };
}

/** Whether browsers take such a cookie only if it is Secure (RFC 6265bis, CHIPS). */
export function needsSecure({ sameSite, partitioned }: StoredCookie, name: string): boolean {
  return sameSite === 'none' || partitioned === true || isSecurePrefixed(name);
}

function cookieOf(sess: string): Record<string, unknown> {
  try {
    return Object(Object(JSON.parse(sess)).cookie) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function fits(value: unknown, form: RegExp, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest && form.test(value);
}

/** True means strict, in any case of letters, as the package `cookie` has it. */
function sameSiteOf(value: unknown): { sameSite?: SameSite } {
  const text = value === true ? 'strict' : typeof value === 'string' ? value.toLowerCase() : undefined;
  return SAME_SITE.includes(text) ? { sameSite: text as SameSite } : {};
}

function priorityOf(value: unknown): { priority?: Priority } {
  const text = typeof value === 'string' ? value.toLowerCase() : undefined;
  return PRIORITY.includes(text) ? { priority: text as Priority } : {};
}
