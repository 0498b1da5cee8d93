import type { Config } from './config.js';
import { isStrongSecret } from './secret-strength.js';

/** What is allowed but should be looked at: one line each, naming the variable, for the log at start. Holds no secret. */
export function configWarnings(config: Config): string[] {
  const warnings: string[] = [];
  const proxies = typeof config.trustProxy === 'object' ? config.trustProxy : [];
  if (!isStrongSecret(config.jwtSecret)) {
    warnings.push(
      'JWT_SECRET is short or a placeholder: anyone can guess it, and production refuses to start with it',
    );
  }
  if (config.refreshFamilyExpiry < config.refreshTokenExpiry) {
    warnings.push(
      'REFRESH_FAMILY_EXPIRY is below REFRESH_TOKEN_EXPIRY: it alone decides how long a login lasts',
    );
  }
  if (config.passwordMinLength < 8) {
    warnings.push('PASSWORD_MIN_LENGTH is below 8, the least that NIST SP 800-63B-4 allows');
  }
  if (proxies.some((proxy) => proxy.endsWith('/0'))) {
    warnings.push(
      'TRUST_PROXY trusts every address: any client can choose the address that its rate limits count',
    );
  }
  if (config.production && config.jwtIssuer?.startsWith('http:')) {
    warnings.push('JWT_ISSUER is an http URL: RFC 8414 demands https');
  }
  if (config.smtpUrl !== undefined && config.mailFrom === undefined) {
    warnings.push('MAIL_FROM is unset: mail comes from no-reply@localhost, which most mail servers refuse');
  }
  return warnings;
}
