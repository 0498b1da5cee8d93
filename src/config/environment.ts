import { Transform } from 'class-transformer';
import { getMetadataStorage, isIn } from 'class-validator';
import type { Config } from './config.js';
import { databaseAddress } from './database-address.js';
import type { DatabaseAddress } from './database-address.js';
import { isLongSecret, isStrongSecret } from './secret-strength.js';
import {
  ComesWith,
  InProductionTakes,
  Refuses,
  Takes,
  TakesBeside,
  TakesWholeNumber,
} from './takes.decorator.js';
import * as trust from './trusted-proxies.js';
import * as check from './value-checks.js';

const YEAR = 31_536_000;
const MODULUS_BITS = [2048, 3072, 4096];
const PHASES = ['off', 'internal_beta', 'gradual_rollout', 'deprecation_notice', 'sessions_removed'];
const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const SSL_MODES = ['disable', 'no-verify', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
const SAME_SITE = ['lax', 'strict', 'none'];
const SECRET = 'a secret of 32 characters or more that is neither a placeholder nor easy to guess';

/** Every variable that the service reads, with its default and what it takes. Durations are in seconds. */
export class Environment {
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

  @InProductionTakes('the secret that signs session cookies, and is required', (value) => value !== undefined)
  SESSION_SECRET?: string;

  @TakesWholeNumber(1, 10 * YEAR, 'seconds')
  SESSION_EXPIRY = 86_400;

  @Takes(
    'the name of a cookie (RFC 6265) other than refresh_token',
    (value) => check.isCookieName(value) && value !== 'refresh_token',
  )
  SESSION_COOKIE_NAME = 'session_id';

  @TakesBeside(
    'no domain, because SESSION_COOKIE_NAME begins with __Host-',
    (_value, env) => !check.isForHost(env),
  )
  @Takes('the domain of a cookie (example.com)', check.isCookieDomain)
  SESSION_COOKIE_DOMAIN?: string;

  @TakesBeside(
    '/ alone, because SESSION_COOKIE_NAME begins with __Host-',
    (value, env) => value === '/' || !check.isForHost(env),
  )
  @Takes('the path of a cookie: / and printable ASCII other than ; and space', check.isCookiePath)
  SESSION_COOKIE_PATH?: string;

  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value))
  @Takes(oneOf(SAME_SITE), (value) => isIn(value, SAME_SITE))
  SESSION_COOKIE_SAME_SITE: Config['sessionCookieSameSite'] = 'lax';

  @Transform(({ value }: { value: unknown }) => check.truth(value))
  @Takes('true or false', (value) => typeof value === 'boolean')
  SESSION_COOKIE_PARTITIONED = false;

  @Transform(({ value }: { value: unknown }) => check.truth(value))
  @TakesBeside(
    'no false: browsers demand Secure of cookies that are SameSite=None, Partitioned or named __Host- or __Secure-',
    (value, env) => value !== false || !check.isForTls(env),
  )
  @Takes('true, false or auto', (value) => typeof value === 'boolean' || value === 'auto')
  SESSION_COOKIE_SECURE?: boolean | 'auto';

  @Takes('a dotted path into the session, such as passport.user', check.isDottedPath)
  SESSION_USER_KEY = 'userId';

  @Takes(oneOf(PHASES), (value) => isIn(value, PHASES))
  ROLLOUT_PHASE: Config['rolloutPhase'] = 'gradual_rollout';

  @TakesWholeNumber(0, 100)
  ROLLOUT_PERCENTAGE = 100;

  @ComesWith('ADMIN_PASSWORD')
  ADMIN_USERNAME?: string;

  @ComesWith('ADMIN_USERNAME')
  ADMIN_PASSWORD?: string;

  @Takes('the URL of a mail server (smtp://… or smtps://…)', (value) =>
    check.isUrlOf(value, 'smtp:', 'smtps:'),
  )
  SMTP_URL?: string;

  @Takes('a mail address, in ASCII before the @', check.isMailbox)
  MAIL_FROM?: string;

  @Takes(oneOf(LEVELS), (value) => isIn(value, LEVELS))
  LOG_LEVEL: Config['logLevel'] = 'info';
}

/** The names of the variables, in the order of {@link Environment}. */
export function environmentVariables(): readonly string[] {
  const rules = getMetadataStorage().getTargetValidationMetadatas(Environment, '', true, false);
  return [...new Set(rules.map((rule) => rule.propertyName))];
}

function addressIn(value: unknown): DatabaseAddress | undefined {
  return typeof value === 'string' ? databaseAddress(value) : undefined;
}

function oneOf(values: readonly string[]): string {
  return `one of ${values.join(', ')}`;
}
