import { createHmac } from 'node:crypto';
import { sameSecret } from '../../../common/constant-time.js';

const PREFIX = 's:';

/** The value of a session's cookie, as express-session writes it: `s:<sid>.<signature>`. */
export function signSid(sid: string, secret: string): string {
  return `${PREFIX}${sid}.${signatureOf(sid, secret)}`;
}

/**
 * The id in a cookie that was signed with the secret; undefined for any other text, and for another spelling of the same. The
 * comparison takes the same time wherever they differ.
 */
export function unsignSid(value: string, secret: string): string | undefined {
  const sid = claimedSid(value);
  if (sid === undefined) return undefined;
  const given = value.slice(PREFIX.length + sid.length + 1);
  return sameSecret(signatureOf(sid, secret), given) ? sid : undefined;
}

/** The id that a cookie names, whoever signed it: nothing to let anybody in by. Undefined for any other text. */
export function claimedSid(value: string): string | undefined {
  const dot = value.lastIndexOf('.');
  return value.startsWith(PREFIX) && dot > PREFIX.length ? value.slice(PREFIX.length, dot) : undefined;
}

/** As the package cookie-signature makes it: base64 of HMAC-SHA256 without padding. */
function signatureOf(sid: string, secret: string): string {
  return createHmac('sha256', secret).update(sid).digest('base64').replace(/=+$/, '');
}
