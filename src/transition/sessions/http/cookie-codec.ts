import { createHmac } from 'node:crypto';
import { sameSecret } from '../../../common/crypto/constant-time.js';
import { claimedSid, signSid, unsignSid } from '../stores/express-session.codec.js';
import type { TransitionConfig } from '../../transition.settings.js';

type CookieSettings = Partial<Pick<TransitionConfig, 'sessionPreset' | 'callback'>>;

/** How a library writes the id of a session into its cookie. The text is what a cookie's value is when its percent-encoding is undone. */
export interface CookieCodec {
  /** Whether only the product can read the cookie, so that it names no id here. */
  readonly opaque?: boolean;
  write(sid: string, secret: string): string;
  /** Returns the id if the secret signed the cookie, and undefined for any other text. Compares signatures in constant time. */
  verify(text: string, secret: string): string | undefined;
  /** The id that the cookie names, with any signature: it must not authenticate anybody. Undefined for any other text. */
  claimed(text: string): string | undefined;
}

const EXPRESS_SESSION: CookieCodec = { write: signSid, verify: unsignSid, claimed: claimedSid };

/** The cookie of better-auth: `<token>.<HMAC-SHA256 in base64 with padding>`. */
const BETTER_AUTH: CookieCodec = {
  write: (sid, secret) => `${sid}.${mac(sid, secret)}`,
  verify(text, secret) {
    const sid = BETTER_AUTH.claimed(text);
    return sid !== undefined && sameSecret(mac(sid, secret), text.slice(sid.length + 1)) ? sid : undefined;
  },
  claimed(text) {
    const dot = text.lastIndexOf('.');
    return dot > 0 && SIGNATURE.test(text.slice(dot + 1)) ? text.slice(0, dot) : undefined;
  },
};

const SIGNATURE = /^[A-Za-z0-9+/]{43}=$/;

/** Visible ASCII characters. */
const TOKEN = /^[!-~]{16,255}$/;

/**
 * The cookie of Auth.js with the strategy `database`: the bare token, which nobody can guess. Nothing is compared here: the database looks
 * the token up, as Auth.js does.
 */
const AUTHJS: CookieCodec = {
  write: (sid) => sid,
  verify: (text) => AUTHJS.claimed(text),
  claimed: (text) => (TOKEN.test(text) ? text : undefined),
};

/** The cookie of SESSION_STORE=callback. The product writes it: see the Set-Cookie lines of a new session. */
const OPAQUE: CookieCodec = {
  opaque: true,
  write: () => {
    throw new Error('only the product writes the session cookie');
  },
  verify: () => undefined,
  claimed: () => undefined,
};

/** The codec for the library or the store of the sessions. */
export function codecOf({ sessionPreset, callback }: CookieSettings): CookieCodec {
  if (callback !== undefined) return OPAQUE;
  switch (sessionPreset) {
    case 'better-auth':
      return BETTER_AUTH;
    case 'authjs':
      return AUTHJS;
    default:
      return EXPRESS_SESSION;
  }
}

function mac(sid: string, secret: string): string {
  return createHmac('sha256', secret).update(sid).digest('base64');
}
