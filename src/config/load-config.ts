import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { Config } from './config.js';
import { ConfigurationError } from './configuration-error.js';
import { Environment, environmentVariables } from './environment.js';
import { existingSecret, keptSecret } from './kept-secret.js';
import { keptSettings } from './kept-settings.js';
import type { Settings } from './kept-settings.js';
import { faultOf } from './odd-values.js';
import { given } from './secret-files.js';
import { isHostPrefixed } from './value-checks.js';

type Secret = 'JWT_SECRET' | 'SESSION_SECRET';

/** Where a secret comes from that the environment does not set, outside production. */
type SecretSource = (variable: Secret, dataDir: string) => string;

const SECRET_FILES: Readonly<Record<Secret, string>> = {
  JWT_SECRET: 'jwt-secret',
  SESSION_SECRET: 'session-secret',
};

/**
 * Validates the environment, with the files that `<NAME>_FILE` names. An empty variable counts as unset; paths are taken from `cwd`.
 *
 * Outside production an unset `JWT_SECRET` or `SESSION_SECRET` is the one that the last node on the same database was started with. If
 * there is none, it is made and kept under `DATA_DIR`, so that the next start and a second node find the same. Throws
 * {@link ConfigurationError} with every fault at once.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, cwd: string = process.cwd()): Config {
  const { environment, values } = validated(env, cwd);
  const usesSameDatabase = (url: string | undefined) => url === values['DATABASE_URL'];
  return toConfig(environment, cwd, (variable, dataDir) => {
    const kept = keptUnder(dataDir, usesSameDatabase)[variable];
    return kept ?? secretFrom(variable, () => keptSecret(dataDir, SECRET_FILES[variable]));
  });
}

/**
 * The same for a command. Outside production, what the environment does not set is as the last node under `DATA_DIR` was started with,
 * unless the environment names another database. No secret is made: without one for `JWT_SECRET` it throws
 * {@link ConfigurationError}.
 */
export function loadCommandConfig(env: NodeJS.ProcessEnv = process.env, cwd: string = process.cwd()): Config {
  const { environment, values } = validated(env, cwd);
  if (environment.NODE_ENV === 'production') return loadConfig(env, cwd);
  const usesSameDatabase = (url: string | undefined) =>
    values['DATABASE_URL'] === undefined || url === values['DATABASE_URL'];
  const kept = keptUnder(resolve(cwd, environment.DATA_DIR), usesSameDatabase);
  return toConfig(validated(env, cwd, kept).environment, cwd, existing);
}

/** `kept`: for variables that the environment does not set. */
function validated(
  env: NodeJS.ProcessEnv,
  cwd: string,
  kept: Settings = {},
): { readonly environment: Environment; readonly values: Settings } {
  const names = environmentVariables();
  const { values: set, faults: files } = given(names, env, cwd);
  const values = { ...kept, ...set };
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
  return { environment, values };
}

function toConfig(env: Environment, cwd: string, secret: SecretSource): Config {
  const dataDir = resolve(cwd, env.DATA_DIR);
  return {
    production: env.NODE_ENV === 'production',
    port: env.PORT,
    host: env.HOST,
    workers: env.WORKERS,
    databaseUrl: env.DATABASE_URL,
    dataDir,
    jwtSecret: env.JWT_SECRET ?? secret('JWT_SECRET', dataDir),
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
    sessionSecret: env.SESSION_SECRET ?? secret('SESSION_SECRET', dataDir),
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

function keptUnder(dataDir: string, used: (databaseUrl: string | undefined) => boolean): Settings {
  try {
    return keptSettings(dataDir, used);
  } catch (cause) {
    const fault = `DATA_DIR holds secrets/settings.json, which cannot be read (${reasonOf(cause)}): start a node again, or remove the file`;
    throw new ConfigurationError([fault], { cause });
  }
}

function secretFrom(variable: Secret, read: () => string): string {
  try {
    return read();
  } catch (cause) {
    const fault = `${variable} takes a secret: it is unset, and none can be kept in DATA_DIR as secrets/${SECRET_FILES[variable]} (${reasonOf(cause)})`;
    throw new ConfigurationError([fault], { cause });
  }
}

/** No command verifies a session, so any secret will do for those. */
function existing(variable: Secret, dataDir: string): string {
  const kept = secretFrom(variable, () => existingSecret(dataDir, SECRET_FILES[variable]) ?? '');
  if (kept !== '') return kept;
  if (variable === 'SESSION_SECRET') return randomBytes(32).toString('base64url');
  throw new ConfigurationError([
    'JWT_SECRET takes a secret: it is unset, and no node has kept one under DATA_DIR. Start the service once, or set JWT_SECRET',
  ]);
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return 'code' in cause ? String(cause.code) : cause.message;
}
