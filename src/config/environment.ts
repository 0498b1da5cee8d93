import { resolve } from 'node:path';
import { Transform } from 'class-transformer';
import { getMetadataStorage, isIn } from 'class-validator';
import { DEFAULT_ROLE, isRole } from '../common/role.js';
import type { Config } from './config.js';
import { databaseAddress } from './database-address.js';
import type { DatabaseAddress } from './database-address.js';
import { isLongSecret, isStrongSecret } from './secret-strength.js';
import {
  RequiredWith,
  MustBeInProduction,
  MustNot,
  MustBe,
  MustBeWholeNumber,
  oneOf,
} from './must-be.decorator.js';
import * as trust from './trusted-proxies.js';
import * as check from './value-checks.js';

const YEAR = 31_536_000;
const MODULUS_BITS = [2048, 3072, 4096];
const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const SSL_MODES = ['disable', 'no-verify', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
const SECRET = 'a secret of 32 characters or more that is neither a placeholder nor easy to guess';

/**
 * Returns a secret whose variable is unset, outside production. A command gets a random value for a secret that no node has created,
 * unless the secret is `needed`.
 */
export type SecretSource = (variable: string, dataDir: string, needed: boolean) => string;

/**
 * The variables that the service reads, with their defaults and rules. Durations are in seconds. A feature with its own variables
 * extends this class; the composition root decides which class is loaded.
 */
export class Environment {
  /** The variables that hold a secret or a URL with one. Each can also be read from a file, see `readVariables`. */
  static readonly secrets: readonly string[] = [
    'DATABASE_URL',
    'JWT_SECRET',
    'JWT_SECRET_PREVIOUS',
    'ADMIN_PASSWORD',
    'WEBHOOK_URL',
    'WEBHOOK_SECRET',
  ];

  // A misspelling must not start the service without the production rules.
  @MustBe(
    'exactly "production" to run in production',
    (value) => value === 'production' || !/^\P{L}*prod/iu.test(String(value)),
  )
  NODE_ENV?: string;

  @MustBeWholeNumber(0, 65_535)
  PORT = 5000;

  @MustBe('an IP address or a host name to listen on', check.isHost)
  HOST = '127.0.0.1';

  @Transform(({ value }: { value: unknown }) => check.workers(value))
  @MustBe(
    `auto, or a whole number from 1 to ${check.MAX_WORKERS}`,
    (value) => typeof value === 'number' && value >= 1 && value <= check.MAX_WORKERS,
  )
  WORKERS = 1;

  @MustBeInProduction('set to the URL of a PostgreSQL database', (value) => value !== undefined)
  @MustBe(`a URL whose sslmode is ${oneOf(SSL_MODES)}`, (value) =>
    isIn(addressIn(value)?.sslmode ?? 'disable', SSL_MODES),
  )
  @MustBe(
    'a URL whose target_session_attrs is any, read-write or primary: a standby is read-only and may not know of a logout yet',
    (value) => isIn(addressIn(value)?.sessionAttributes ?? 'any', ['any', 'read-write', 'primary']),
  )
  @MustBe('the URL of a PostgreSQL database (postgresql://…)', (value) => addressIn(value) !== undefined)
  DATABASE_URL?: string;

  @MustBe(
    'the name of a schema: up to 63 lower-case letters, digits and underscores, and not a name of PostgreSQL',
    check.isSchemaName,
  )
  DATABASE_SCHEMA = 'tandem';

  @MustBeWholeNumber(5, 1_000, 'connections')
  DATABASE_POOL_SIZE = 20;

  @MustBe('the path of a folder', check.isText)
  DATA_DIR = '.data';

  @MustBeInProduction(`set to ${SECRET}`, isStrongSecret)
  JWT_SECRET?: string;

  @MustBeInProduction(
    'a secret of 32 characters or more',
    (value) => value === undefined || isLongSecret(value),
  )
  JWT_SECRET_PREVIOUS?: string;

  @MustBe('the path of a folder', check.isText)
  KEYS_DIR = 'keys';

  @Transform(({ value }: { value: unknown }) => MODULUS_BITS.find((bits) => String(bits) === value) ?? value)
  @MustBe('2048, 3072 or 4096', (value) => isIn(value, MODULUS_BITS))
  RSA_MODULUS_BITS: Config['rsaModulusBits'] = 3072;

  @MustBeWholeNumber(1, 86_400, 'seconds')
  TOKEN_EXPIRY = 900;

  @MustBeWholeNumber(1, 10 * YEAR, 'seconds')
  REFRESH_TOKEN_EXPIRY = 604_800;

  @MustBeWholeNumber(1, 10 * YEAR, 'seconds')
  REFRESH_FAMILY_EXPIRY = 2_592_000;

  @MustBeWholeNumber(0, 300, 'seconds')
  REFRESH_REUSE_GRACE = 10;

  @MustBeWholeNumber(0, 86_400, 'seconds')
  REFRESH_LOST_RESPONSE_WINDOW = 86_400;

  @MustBe(
    "an http or https URL without query, fragment or password, whose path has no empty segment and none of ; & ' ,",
    check.isIssuer,
  )
  JWT_ISSUER?: string;

  @MustBe('a name without control characters', check.isText)
  JWT_AUDIENCE = 'api';

  @Transform(({ value }: { value: unknown }) => check.canonicalOrigins(value))
  @MustBe('web origins (https://app.example.com), separated by commas', (value) =>
    check.isListOf(value, check.isOrigin),
  )
  CORS_ORIGINS: readonly string[] = [];

  @MustBe('on or off', (value) => value === undefined || isIn(value, ['on', 'off']))
  CONSOLE?: 'on' | 'off';

  @Transform(({ value }: { value: unknown }) => check.canonicalOrigin(value))
  @MustBeInProduction(
    'an https origin, or an http origin of this machine',
    (value) => value === undefined || check.isHttpsOrLoopback(value),
  )
  @MustBe(
    'a web origin (https://console.example.com)',
    (value) => value === undefined || check.isOrigin(value),
  )
  CONSOLE_ORIGIN?: string;

  @MustBeWholeNumber(0, 60, 'seconds')
  CLOCK_TOLERANCE = 5;

  @MustBeWholeNumber(1, 128, 'characters')
  PASSWORD_MIN_LENGTH = 15;

  @MustBeWholeNumber(1, 1_000_000_000)
  AUTH_RATE_LIMIT = 10;

  @MustBeWholeNumber(1, 86_400, 'seconds')
  AUTH_RATE_WINDOW = 60;

  @MustBeWholeNumber(0, 36_500, 'days')
  AUDIT_RETENTION_DAYS = 365;

  @Transform(({ value }: { value: unknown }) => trust.parseTrustProxy(value))
  @MustBe('IP addresses or CIDRs, separated by commas, or a hop count from 1 to 100', trust.isTrustProxy)
  @MustNot('trust everyone: any client could choose the address that is rate-limited', trust.trustsEveryone)
  TRUST_PROXY?: number | readonly string[];

  @MustNot(`be ${DEFAULT_ROLE}, the role of everybody`, (value) => value === DEFAULT_ROLE)
  @MustBe('1 to 32 characters of a-z 0-9 _ -, beginning with a letter', isRole)
  ADMIN_ROLE?: string;

  @Transform(({ value }: { value: unknown }) => check.trueOrFalse(value))
  @MustBe('true or false', (value) => typeof value === 'boolean')
  USERS_SOURCE_MAY_MAKE_ADMINS = false;

  @RequiredWith('ADMIN_PASSWORD')
  ADMIN_USERNAME?: string;

  @RequiredWith('ADMIN_USERNAME')
  ADMIN_PASSWORD?: string;

  @RequiredWith('WEBHOOK_SECRET')
  @MustNot('name a link-local address or a metadata service', check.namesForbiddenAddress)
  @MustBeInProduction(
    'an https URL, or an http URL of this machine',
    (value) => value === undefined || check.isHttpsOrLoopback(value),
  )
  @MustBe('an http or https URL without name, password or fragment', (value) => check.isCallableUrl(value))
  WEBHOOK_URL?: string;

  @RequiredWith('WEBHOOK_URL')
  @MustBe('whsec_ and a key of 24 to 64 bytes in base64', check.isWebhookSecret)
  WEBHOOK_SECRET?: string;

  @MustBe(oneOf(LEVELS), (value) => isIn(value, LEVELS))
  LOG_LEVEL: Config['logLevel'] = 'info';

  /** Converts valid variables to the configuration. Relative paths are resolved against `cwd`. */
  toConfig(cwd: string, secret: SecretSource): Config {
    const dataDir = resolve(cwd, this.DATA_DIR);
    return {
      production: this.NODE_ENV === 'production',
      port: this.PORT,
      host: this.HOST,
      workers: this.WORKERS,
      databaseUrl: this.DATABASE_URL,
      databaseSchema: this.DATABASE_SCHEMA,
      databasePoolSize: this.DATABASE_POOL_SIZE,
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
      console: this.servesConsole(),
      consoleOrigin: this.CONSOLE_ORIGIN,
      clockTolerance: this.CLOCK_TOLERANCE,
      passwordMinLength: this.PASSWORD_MIN_LENGTH,
      authRateLimit: this.AUTH_RATE_LIMIT,
      authRateWindow: this.AUTH_RATE_WINDOW,
      auditRetentionDays: this.AUDIT_RETENTION_DAYS,
      trustProxy: this.TRUST_PROXY,
      adminRole: this.ADMIN_ROLE,
      productMayMakeAdmins: this.USERS_SOURCE_MAY_MAKE_ADMINS,
      adminUsername: this.ADMIN_USERNAME,
      adminPassword: this.ADMIN_PASSWORD,
      webhookUrl: this.WEBHOOK_URL,
      webhookSecret: this.WEBHOOK_SECRET,
      logLevel: this.LOG_LEVEL,
    };
  }

  /** In production the console is off, unless it has an origin of its own. */
  private servesConsole(): boolean {
    if (this.CONSOLE !== undefined) return this.CONSOLE === 'on';
    return this.NODE_ENV !== 'production' || this.CONSOLE_ORIGIN !== undefined;
  }
}

/** The names of the variables, those of the base class first, in the order of the fields. */
export function environmentVariables(environment: typeof Environment = Environment): readonly string[] {
  const inherited =
    environment === Environment
      ? []
      : environmentVariables(Object.getPrototypeOf(environment) as typeof Environment);
  const rules = getMetadataStorage().getTargetValidationMetadatas(environment, '', true, false);
  return [...new Set([...inherited, ...rules.map((rule) => rule.propertyName)])];
}

/** The path of the issuer URL without a trailing slash; empty if it has no path. */
export function pathPrefixOf(issuer: string | undefined): string {
  return issuer === undefined ? '' : new URL(issuer).pathname.replace(/\/$/, '');
}

function addressIn(value: unknown): DatabaseAddress | undefined {
  return typeof value === 'string' ? databaseAddress(value) : undefined;
}
