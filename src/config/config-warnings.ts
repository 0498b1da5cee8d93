import type { Config } from './config.js';
import { warningOf } from './odd-values.js';
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
