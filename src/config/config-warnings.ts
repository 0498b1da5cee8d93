import type { Config } from './config.js';
import { isStrongSecret } from './secret-strength.js';

export const WEAKNESS = 'JWT_SECRET is short, a placeholder or easy to guess';

/** What is allowed but should be looked at: one line each, naming the variable, for the log at start. Holds no secret. */
export function configWarnings(config: Config): string[] {
  const warnings: string[] = [];
  if (!isStrongSecret(config.jwtSecret)) {
    warnings.push(`${WEAKNESS}: production refuses to start with it`);
  }
  for (const [name, value] of [
    ['JWT_SECRET', config.jwtSecret],
    ['JWT_SECRET_PREVIOUS', config.jwtSecretPrevious],
    ['ADMIN_PASSWORD', config.adminPassword],
  ] as const) {
    const warning = warningOf(name, value);
    if (warning !== undefined) warnings.push(warning);
  }
  if (config.refreshFamilyExpiry < config.refreshTokenExpiry) {
    warnings.push(
      'REFRESH_FAMILY_EXPIRY is below REFRESH_TOKEN_EXPIRY: it alone decides how long a login lasts',
    );
  }
  if (config.passwordMinLength < 8) {
    warnings.push('PASSWORD_MIN_LENGTH is below 8, the least that NIST SP 800-63B-4 allows');
  }
  if (config.production && config.jwtIssuer?.startsWith('http:')) {
    warnings.push('JWT_ISSUER is an http URL: RFC 8414 demands https');
  }
  return warnings;
}

/** A way in which a value arrives that nobody meant, in words that go after "takes a value". */
type Oddity =
  | 'without quotation marks around it'
  | 'without line breaks'
  | 'without spaces or invisible characters around it'
  | 'and no reference to one, which is not expanded here';

/**
 * What is odd about a value as it arrived: `docker --env-file` keeps quotation marks, files end in line breaks, editors write byte
 * order marks, and nothing here expands `${…}`.
 */
function oddityOf(value: string): Oddity | undefined {
  if (/^\$(?:\{.*\}|\(.*\))$/s.test(value)) return 'and no reference to one, which is not expanded here';
  if (/^(["'`]).*\1$/s.test(value) || /^[“”„‘’«].*[“”‘’»]$/s.test(value))
    return 'without quotation marks around it';
  if (/[\r\n]/.test(value)) return 'without line breaks';
  if (/^[\s\p{Cf}\p{Cc}]|[\s\p{Cf}\p{Cc}]$/u.test(value))
    return 'without spaces or invisible characters around it';
  return undefined;
}

/** Signing secrets. An installation may use odd ones already: if they were refused now, it would lose what they have signed. */
const SIGNING_SECRET = /_SECRET(?:_PREVIOUS)?$/;

/** The fault of a variable that has an odd value, in one line without the value. */
export function faultOf(name: string, value: string): string | undefined {
  const oddity = oddityOf(value);
  if (oddity === undefined || isAllowed(name, oddity)) return undefined;
  return `${name} takes a value ${oddity}`;
}

function isAllowed(name: string, oddity: Oddity): boolean {
  if (oddity === 'and no reference to one, which is not expanded here') return false;
  // A password may begin or end with a space: its owner can type that.
  return SIGNING_SECRET.test(name) || (name === 'ADMIN_PASSWORD' && oddity.startsWith('without spaces'));
}

/** The warning about an odd value that is allowed, in one line without the value. */
export function warningOf(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const oddity = oddityOf(value);
  if (oddity !== undefined && isAllowed(name, oddity))
    return `${name} should be a value ${oddity}: here they are part of it`;
  return /^["'`]|["'`]$/.test(value)
    ? `${name} begins or ends with a quotation mark, which is part of the value here`
    : undefined;
}
