import type { Config } from './config.js';
import { isStrongSecret } from './secret-strength.js';

export const WEAKNESS_WARNING = 'JWT_SECRET is short, a placeholder or easy to guess';

/** Warnings about allowed but risky settings, for the log at start. Each is one line that names the variable and contains no secret. */
export function configWarnings(config: Config): string[] {
  const warnings: string[] = [];
  if (!isStrongSecret(config.jwtSecret)) {
    warnings.push(`${WEAKNESS_WARNING}: the service will not start with it in production`);
  }
  for (const [name, value] of [
    ['JWT_SECRET', config.jwtSecret],
    ['JWT_SECRET_PREVIOUS', config.jwtSecretPrevious],
    ['ADMIN_PASSWORD', config.adminPassword],
  ] as const) {
    const warning = valueWarning(name, value);
    if (warning !== undefined) warnings.push(warning);
  }
  if (config.refreshFamilyExpiry < config.refreshTokenExpiry) {
    warnings.push(
      'REFRESH_FAMILY_EXPIRY is below REFRESH_TOKEN_EXPIRY, so REFRESH_TOKEN_EXPIRY has no effect',
    );
  }
  if (config.passwordMinLength < 8) {
    warnings.push('PASSWORD_MIN_LENGTH is below 8, the minimum of NIST SP 800-63B-4');
  }
  if (config.production && config.jwtIssuer?.startsWith('http:')) {
    warnings.push('JWT_ISSUER is an http URL: RFC 8414 requires https');
  }
  return warnings;
}

/** A likely mistake in the form of a value. The words follow "must be a value". */
type ValueDefect =
  | 'without quotation marks around it'
  | 'without line breaks'
  | 'without spaces or invisible characters around it'
  | 'and no reference to one, which is not expanded here';

/**
 * Finds a likely mistake in the form of a value: `docker --env-file` keeps quotation marks, files end in line breaks, editors write byte
 * order marks, and this service does not expand `${…}`.
 */
function valueDefect(value: string): ValueDefect | undefined {
  if (/^\$(?:\{.*\}|\(.*\))$/s.test(value)) return 'and no reference to one, which is not expanded here';
  if (/^(["'`]).*\1$/s.test(value) || /^[“”„‘’«].*[“”‘’»]$/s.test(value))
    return 'without quotation marks around it';
  if (/[\r\n]/.test(value)) return 'without line breaks';
  if (/^[\s\p{Cf}\p{Cc}]|[\s\p{Cf}\p{Cc}]$/u.test(value))
    return 'without spaces or invisible characters around it';
  return undefined;
}

/** Signing secrets. An existing installation may use one with such a mistake: refusing it would invalidate everything that it signed. */
const SIGNING_SECRET = /_SECRET(?:_PREVIOUS)?$/;

/** The error about the form of a value, in one line without the value; undefined if there is none or if it is allowed. */
export function valueFault(name: string, value: string): string | undefined {
  const defect = valueDefect(value);
  if (defect === undefined || isAllowed(name, defect)) return undefined;
  return `${name} must be a value ${defect}`;
}

function isAllowed(name: string, defect: ValueDefect): boolean {
  if (defect === 'and no reference to one, which is not expanded here') return false;
  // A password may begin or end with a space: its owner can type it.
  return SIGNING_SECRET.test(name) || (name === 'ADMIN_PASSWORD' && defect.startsWith('without spaces'));
}

/** The warning about the form of an allowed value, in one line without the value. */
export function valueWarning(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const defect = valueDefect(value);
  if (defect !== undefined && isAllowed(name, defect))
    return `${name} should be a value ${defect}: they are treated as part of the value`;
  return /^["'`]|["'`]$/.test(value)
    ? `${name} begins or ends with a quotation mark, which is treated as part of the value`
    : undefined;
}
