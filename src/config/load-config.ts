import { resolve } from 'node:path';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { Config } from './config.js';
import { ConfigurationError } from './configuration-error.js';
import { Environment, environmentVariables } from './environment.js';
import { keptSecret } from './kept-secret.js';
import { faultOf } from './odd-values.js';
import { given } from './secret-files.js';
import { isHostPrefixed } from './value-checks.js';

/**
 * Validates the environment, with the files that `<NAME>_FILE` names. An empty variable counts as unset; paths are taken from `cwd`.
 *
 * Outside production `JWT_SECRET` and `SESSION_SECRET` are made if unset, and kept under `DATA_DIR`, so that the next
 * start and a second node find the same. Throws {@link ConfigurationError} with every fault at once.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, cwd: string = process.cwd()): Config {
  const names = environmentVariables();
  const { values, faults: files } = given(names, env, cwd);
  const environment = plainToInstance(Environment, values, { exposeDefaultValues: true });
  const faults = new Map(
    validateSync(environment, { stopAtFirstError: true }).map((error) => [
      error.property,
      Object.values(error.constraints ?? {}),
    ]),
  );
  // Says more than that the value is not what it should be.
  for (const [name, value] of Object.entries(values)) {
    const odd = faultOf(name, value);
    if (odd !== undefined) faults.set(name, [odd]);
  }
  for (const [name, fault] of files) faults.set(name, [fault]);
  if (faults.size > 0) throw new ConfigurationError(names.flatMap((name) => faults.get(name) ?? []));
  return toConfig(environment, cwd);
}

function toConfig(env: Environment, cwd: string): Config {
  const dataDir = resolve(cwd, env.DATA_DIR);
  return {
    production: env.NODE_ENV === 'production',
    port: env.PORT,
    host: env.HOST,
    workers: env.WORKERS,
    databaseUrl: env.DATABASE_URL,
    dataDir,
    jwtSecret: env.JWT_SECRET ?? made('JWT_SECRET', 'jwt-secret', dataDir),
    jwtSecretPrevious: env.JWT_SECRET_PREVIOUS,
    keysDir: resolve(cwd, env.KEYS_DIR),
    rsaModulusBits: env.RSA_MODULUS_BITS,
    tokenExpiry: env.TOKEN_EXPIRY,
    refreshTokenExpiry: env.REFRESH_TOKEN_EXPIRY,
    refreshFamilyExpiry: env.REFRESH_FAMILY_EXPIRY,
    refreshReuseGrace: env.REFRESH_REUSE_GRACE,
    refreshLostResponseWindow: env.REFRESH_LOST_RESPONSE_WINDOW,
    jwtIssuer: env.JWT_ISSUER,
    pathPrefix: pathPrefixOf(env.JWT_ISSUER),
    jwtAudience: env.JWT_AUDIENCE,
    corsOrigins: env.CORS_ORIGINS,
    clockTolerance: env.CLOCK_TOLERANCE,
    passwordMinLength: env.PASSWORD_MIN_LENGTH,
    authRateLimit: env.AUTH_RATE_LIMIT,
    authRateWindow: env.AUTH_RATE_WINDOW,
    auditRetentionDays: env.AUDIT_RETENTION_DAYS,
    trustProxy: env.TRUST_PROXY,
    sessionSecret: env.SESSION_SECRET ?? made('SESSION_SECRET', 'session-secret', dataDir),
    sessionExpiry: env.SESSION_EXPIRY,
    sessionCookieName: env.SESSION_COOKIE_NAME,
    sessionCookieDomain: env.SESSION_COOKIE_DOMAIN,
    sessionCookiePath: env.SESSION_COOKIE_PATH ?? defaultCookiePath(env),
    sessionCookieSameSite: env.SESSION_COOKIE_SAME_SITE,
    sessionCookiePartitioned: env.SESSION_COOKIE_PARTITIONED,
    sessionCookieSecure: env.SESSION_COOKIE_SECURE ?? env.NODE_ENV === 'production',
    sessionUserKey: env.SESSION_USER_KEY,
    rolloutPhase: env.ROLLOUT_PHASE,
    rolloutPercentage: env.ROLLOUT_PERCENTAGE,
    adminUsername: env.ADMIN_USERNAME,
    adminPassword: env.ADMIN_PASSWORD,
    smtpUrl: env.SMTP_URL,
    mailFrom: env.MAIL_FROM,
    logLevel: env.LOG_LEVEL,
  };
}

function pathPrefixOf(issuer: string | undefined): string {
  return issuer === undefined ? '' : new URL(issuer).pathname.replace(/\/$/, '');
}

function defaultCookiePath({ JWT_ISSUER, SESSION_COOKIE_NAME }: Environment): string {
  return isHostPrefixed(SESSION_COOKIE_NAME) ? '/' : pathPrefixOf(JWT_ISSUER) || '/';
}

function made(variable: string, file: string, dataDir: string): string {
  try {
    return keptSecret(dataDir, file);
  } catch (cause) {
    const why = cause instanceof Error ? ('code' in cause ? cause.code : cause.message) : cause;
    const fault = `${variable} takes a secret: it is unset, and none can be kept in DATA_DIR as secrets/${file} (${String(why)})`;
    throw new ConfigurationError([fault], { cause });
  }
}
