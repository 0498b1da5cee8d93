import { resolve } from 'node:path';
import { Transform } from 'class-transformer';
import { getMetadataStorage, isIn } from 'class-validator';
import type { Config } from './config.js';
import { databaseAddress } from './database-address.js';
import type { DatabaseAddress } from './database-address.js';
import { isLongSecret, isStrongSecret } from './secret-strength.js';
import { ComesWith, InProductionTakes, Refuses, Takes, TakesWholeNumber } from './takes.decorator.js';
import * as trust from './trusted-proxies.js';
import * as check from './value-checks.js';

const YEAR = 31_536_000;
const MODULUS_BITS = [2048, 3072, 4096];
const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const SSL_MODES = ['disable', 'no-verify', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
const SECRET = 'a secret of 32 characters or more that is neither a placeholder nor easy to guess';

/**
 * Where a secret comes from if the environment does not set its variable, outside production. A command gets a random value for a
 * secret that no node has made, unless it is `needed`.
 */
export type SecretSource = (variable: string, dataDir: string, needed: boolean) => string;

/**
 * The variables that the service reads, with their defaults and rules. Durations are in seconds. A part of the service with variables
 * of its own extends this class; the composition root decides which class is loaded.
 */
export class Environment {
  /** The variables that hold secrets, alone or in a URL. Each can come from a file, see `given`. */
  static readonly secrets: readonly string[] = [
    'DATABASE_URL',
    'JWT_SECRET',
    'JWT_SECRET_PREVIOUS',
    'ADMIN_PASSWORD',
  ];

  // A near miss would quietly start without the rules of production.
  @Takes(
    '"production", spelled so, for production',
    (value) => value === 'production' || !/^\P{L}*prod/iu.test(String(value)),
  )
  NODE_ENV?: string;

  @TakesWholeNumber(0, 65_535)
  PORT = 5000;

  @Takes('an IP address or a host name to listen on', check.isHost)
  HOST = '127.0.0.1';

  @Transform(({ value }: { value: unknown }) => check.workers(value))
  @Takes(
    `auto, or a whole number from 1 to ${check.MAX_WORKERS}`,
    (value) => typeof value === 'number' && value >= 1 && value <= check.MAX_WORKERS,
  )
  WORKERS = 1;

  @InProductionTakes('the URL of a PostgreSQL database, and is required', (value) => value !== undefined)
  @Takes(`an sslmode of ${oneOf(SSL_MODES)}`, (value) =>
    isIn(addressIn(value)?.sslmode ?? 'disable', SSL_MODES),
  )
  @Takes(
    'a target_session_attrs of any, read-write or primary: a standby takes no writes and may not know of a logout yet',
    (value) => isIn(addressIn(value)?.sessionAttributes ?? 'any', ['any', 'read-write', 'primary']),
  )
  @Takes('the URL of a PostgreSQL database (postgresql://…)', (value) => addressIn(value) !== undefined)
  DATABASE_URL?: string;

  @Takes('the path of a folder', check.isText)
  DATA_DIR = '.data';

  @InProductionTakes(`${SECRET}, and is required`, isStrongSecret)
  JWT_SECRET?: string;

  @InProductionTakes(
    'a secret of 32 characters or more',
    (value) => value === undefined || isLongSecret(value),
  )
  JWT_SECRET_PREVIOUS?: string;

  @Takes('the path of a folder', check.isText)
  KEYS_DIR = 'keys';

  @Transform(({ value }: { value: unknown }) => MODULUS_BITS.find((bits) => String(bits) === value) ?? value)
  @Takes('2048, 3072 or 4096', (value) => isIn(value, MODULUS_BITS))
  RSA_MODULUS_BITS: Config['rsaModulusBits'] = 3072;

  @TakesWholeNumber(1, 86_400, 'seconds')
  TOKEN_EXPIRY = 900;

  @TakesWholeNumber(1, 10 * YEAR, 'seconds')
  REFRESH_TOKEN_EXPIRY = 604_800;

  @TakesWholeNumber(1, 10 * YEAR, 'seconds')
  REFRESH_FAMILY_EXPIRY = 2_592_000;

  @TakesWholeNumber(0, 300, 'seconds')
  REFRESH_REUSE_GRACE = 10;

  @TakesWholeNumber(0, 86_400, 'seconds')
  REFRESH_LOST_RESPONSE_WINDOW = 86_400;

  @Takes(
    "an http or https URL without query, fragment or password, whose path has no empty segment and none of ; & ' ,",
    check.isIssuer,
  )
  JWT_ISSUER?: string;

  @Takes('a name without control characters', check.isText)
  JWT_AUDIENCE = 'api';

  @Transform(({ value }: { value: unknown }) => check.canonicalOrigins(value))
  @Takes('web origins (https://app.example.com), separated by commas', (value) =>
    check.isListOf(value, check.isOrigin),
  )
  CORS_ORIGINS: readonly string[] = [];

  @TakesWholeNumber(0, 60, 'seconds')
  CLOCK_TOLERANCE = 5;

  @TakesWholeNumber(1, 128, 'characters')
  PASSWORD_MIN_LENGTH = 15;

  @TakesWholeNumber(1, 1_000_000_000)
  AUTH_RATE_LIMIT = 10;

  @TakesWholeNumber(1, 86_400, 'seconds')
  AUTH_RATE_WINDOW = 60;

  @TakesWholeNumber(0, 36_500, 'days')
  AUDIT_RETENTION_DAYS = 365;

  @Transform(({ value }: { value: unknown }) => trust.proxies(value))
  @Takes('IP addresses or CIDRs, separated by commas, or a hop count from 1 to 100', trust.isProxies)
  @Refuses(
    'trusts everybody: any client could choose the address that its limits count',
    trust.trustsEverybody,
  )
  TRUST_PROXY?: number | readonly string[];

  @ComesWith('ADMIN_PASSWORD')
  ADMIN_USERNAME?: string;

  @ComesWith('ADMIN_USERNAME')
  ADMIN_PASSWORD?: string;

  @Takes(oneOf(LEVELS), (value) => isIn(value, LEVELS))
  LOG_LEVEL: Config['logLevel'] = 'info';

  /** The configuration of valid variables. Paths are taken from `cwd`. */
  toConfig(cwd: string, secret: SecretSource): Config {
    const dataDir = resolve(cwd, this.DATA_DIR);
    return {
      production: this.NODE_ENV === 'production',
      port: this.PORT,
      host: this.HOST,
      workers: this.WORKERS,
      databaseUrl: this.DATABASE_URL,
      dataDir,
      jwtSecret: this.JWT_SECRET ?? secret('JWT_SECRET', dataDir, true),
      jwtSecretPrevious: this.JWT_SECRET_PREVIOUS,
      keysDir: resolve(cwd, this.KEYS_DIR),
      rsaModulusBits: this.RSA_MODULUS_BITS,
      tokenExpiry: this.TOKEN_EXPIRY,
      refreshTokenExpiry: this.REFRESH_TOKEN_EXPIRY,
      refreshFamilyExpiry: this.REFRESH_FAMILY_EXPIRY,
      refreshReuseGrace: this.REFRESH_REUSE_GRACE,
      refreshLostResponseWindow: this.REFRESH_LOST_RESPONSE_WINDOW,
      jwtIssuer: this.JWT_ISSUER,
      pathPrefix: pathPrefixOf(this.JWT_ISSUER),
      jwtAudience: this.JWT_AUDIENCE,
      corsOrigins: this.CORS_ORIGINS,
      clockTolerance: this.CLOCK_TOLERANCE,
      passwordMinLength: this.PASSWORD_MIN_LENGTH,
      authRateLimit: this.AUTH_RATE_LIMIT,
      authRateWindow: this.AUTH_RATE_WINDOW,
      auditRetentionDays: this.AUDIT_RETENTION_DAYS,
      trustProxy: this.TRUST_PROXY,
      adminUsername: this.ADMIN_USERNAME,
      adminPassword: this.ADMIN_PASSWORD,
      logLevel: this.LOG_LEVEL,
    };
  }
}

/** The names of the variables, in the order of the classes and their fields. */
export function environmentVariables(environment: typeof Environment = Environment): readonly string[] {
  const inherited =
    environment === Environment
      ? []
      : environmentVariables(Object.getPrototypeOf(environment) as typeof Environment);
  const rules = getMetadataStorage().getTargetValidationMetadatas(environment, '', true, false);
  return [...new Set([...inherited, ...rules.map((rule) => rule.propertyName)])];
}

/** The path of the issuer without a slash at its end; empty if it has none. */
export function pathPrefixOf(issuer: string | undefined): string {
  return issuer === undefined ? '' : new URL(issuer).pathname.replace(/\/$/, '');
}

function addressIn(value: unknown): DatabaseAddress | undefined {
  return typeof value === 'string' ? databaseAddress(value) : undefined;
}

/** The words for a rule that takes one of `values`. */
export function oneOf(values: readonly string[]): string {
  return `one of ${values.join(', ')}`;
}
