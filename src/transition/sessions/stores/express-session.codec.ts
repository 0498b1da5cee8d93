import { createHmac } from 'node:crypto';
import { sameSecret } from '../../../common/crypto/constant-time.js';
import { isSecurePrefixed } from '../../transition.settings.js';

/** The cookie as express-session keeps it in `sess.cookie`: the attributes that a Set-Cookie header may have. */
export interface StoredCookie {
  /** Milliseconds; null: until the browser closes. */
  readonly originalMaxAge?: number | null;
  readonly expires?: string | null;
  /** `auto`: Secure if the connection is. */
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
 * The cookie that the text of a session describes. Never throws: another application may have written anything. Values that are no
 * attribute of a cookie are left out.
 */
export function storedCookieIn(sess: string): StoredCookie {
  return storedCookieOf(parsed(sess));
}

/** Returns the cookie that a parsed session describes, like {@link storedCookieIn}. */
export function storedCookieOf(session: unknown): StoredCookie {
  const cookie = Object(Object(session).cookie) as Record<string, unknown>;
  const { originalMaxAge, secure, httpOnly, domain, path, sameSite, priority, partitioned } = cookie;
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

/** Whether browsers accept such a cookie only if it is Secure (RFC 6265bis, CHIPS). */
export function needsSecure({ sameSite, partitioned }: StoredCookie, name: string): boolean {
  return sameSite === 'none' || partitioned === true || isSecurePrefixed(name);
}

function parsed(sess: string): unknown {
  try {
    return JSON.parse(sess);
  } catch {
    return undefined;
  }
}

function fits(value: unknown, form: RegExp, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest && form.test(value);
}

/** Case-insensitive; true means strict, as in the package `cookie`. */
function sameSiteOf(value: unknown): { sameSite?: SameSite } {
  const text = value === true ? 'strict' : typeof value === 'string' ? value.toLowerCase() : undefined;
  return SAME_SITE.includes(text) ? { sameSite: text as SameSite } : {};
}

function priorityOf(value: unknown): { priority?: Priority } {
  const text = typeof value === 'string' ? value.toLowerCase() : undefined;
  return PRIORITY.includes(text) ? { priority: text as Priority } : {};
}

const PREFIX = 's:';

/** The value of a session's cookie, as express-session writes it: `s:<sid>.<signature>`. */
export function signSid(sid: string, secret: string): string {
  return `${PREFIX}${sid}.${signatureOf(sid, secret)}`;
}

/**
 * The id in a cookie that was signed with the secret; undefined for any other text, and for another spelling of the same signature. The
 * comparison takes constant time.
 */
export function unsignSid(value: string, secret: string): string | undefined {
  const sid = claimedSid(value);
  if (sid === undefined) return undefined;
  const given = value.slice(PREFIX.length + sid.length + 1);
  return sameSecret(signatureOf(sid, secret), given) ? sid : undefined;
}

/** The id that a cookie names. The signature is not checked: it must not authenticate anybody. Undefined for any other text. */
export function claimedSid(value: string): string | undefined {
  const dot = value.lastIndexOf('.');
  return value.startsWith(PREFIX) && dot > PREFIX.length ? value.slice(PREFIX.length, dot) : undefined;
}

/** The form of the package cookie-signature: base64 of HMAC-SHA256 without padding. */
function signatureOf(sid: string, secret: string): string {
  return createHmac('sha256', secret).update(sid).digest('base64').replace(/=+$/, '');
}
