import { domainToASCII } from 'node:url';
import { Transform } from 'class-transformer';
import { isIn } from 'class-validator';
import type { Config } from '../config/config.js';
import { databaseAddress } from '../config/database-address.js';
import { Environment, pathPrefixOf } from '../config/environment.js';
import type { SecretSource } from '../config/environment.js';
import {
  MustBeInProduction,
  MustBe,
  MustBeInContext,
  MustBeWholeNumber,
  MustNot,
  RequiredWith,
  oneOf,
} from '../config/must-be.decorator.js';
import {
  isCallableUrl,
  isHost,
  isHttpsOrLoopback,
  isUrlOf,
  namesForbiddenAddress,
} from '../config/value-checks.js';
import { sourceQuery } from './accounts/source/source-sql.js';
import { SESSION_PRESETS, hasUserColumn } from './sessions/table/session-preset.js';
import type { SessionPreset } from './sessions/table/session-preset.js';
import { USER_FIELD } from './sessions/table/session-layout.js';
import { tableNameIn } from './sessions/table/table-name.js';
import type { TableName } from './sessions/table/table-name.js';
import { PHASES } from './rollout/rollout-state.js';
import type { Phase } from './rollout/rollout-state.js';

const LONGEST_EXPIRY = 10 * 31_536_000;
const LONGEST_URL = 2_048;
/** Each is tried for a cookie that the others did not sign. */
const MOST_PREVIOUS_SECRETS = 8;
const SOURCE_QUERY = 'one SELECT, WITH or VALUES statement whose only parameter is $1';
const SAME_SITE = ['lax', 'strict', 'none'];
const SESSION_STORES = ['postgres', 'redis', 'callback'] as const;
const LONGEST_PREFIX = 256;
const NOT_IN_POSTGRESQL = 'unset because sessions are not in PostgreSQL: SESSION_STORE';

/** How the product is asked about its sessions. */
export interface CallbackSettings {
  readonly url: string;
  readonly secret: string;
}

/** Where connect-redis keeps the sessions. */
export interface RedisSettings {
  /** The URL, with the password if there is one. */
  readonly url: string;
  /** The prefix of every key. */
  readonly prefix: string;
}

/** Two read-only queries. */
export interface UsersSource {
  readonly byName: string;
  readonly byId: string;
  /** The URL of the users source. If it is undefined, it is the database of Tandem. */
  readonly url: string | undefined;
}

/** The configuration with what the transition adds. Injected under `CONFIG`. Durations are in seconds. */
export interface TransitionConfig extends Config {
  /** Empty with the preset `authjs`, whose cookies have no signature. */
  readonly sessionSecret: string;
  /** Earlier secrets. They verify session cookies and sign none. */
  readonly sessionSecretsPrevious: readonly string[];
  /** The Redis that keeps the sessions; undefined if they are not in Redis. */
  readonly redis: RedisSettings | undefined;
  /** The callback to the product; undefined if Tandem finds the sessions itself. */
  readonly callback?: CallbackSettings | undefined;
  /** The library that keeps the sessions. If it is undefined, it is connect-pg-simple. */
  readonly sessionPreset?: SessionPreset | undefined;
  /** The session table. If it is undefined, it is the table of the preset, or else the one that the first start has chosen. */
  readonly sessionTable: TableName | undefined;
  readonly sessionExpiry: number;
  readonly sessionCookieName: string;
  /** The domain of new session cookies. Undefined: only the host. */
  readonly sessionCookieDomain: string | undefined;
  readonly sessionCookiePath: string;
  readonly sessionCookieSameSite: 'lax' | 'strict' | 'none';
  readonly sessionCookiePartitioned: boolean;
  /** `auto`: Secure if the connection is. */
  readonly sessionCookieSecure: boolean | 'auto';
  readonly sessionUserKey: string;
  readonly rolloutPhase: Phase;
  readonly rolloutPercentage: number;
  /** The URL of the mail server. If it is undefined, mails are written as files under `dataDir`. */
  readonly smtpUrl: string | undefined;
  readonly mailFrom: string | undefined;
  /** How the product's users are found while it owns them. Undefined: Tandem owns all users. */
  readonly usersSource: UsersSource | undefined;
  /** False: only administrators log in with a password, and only at /auth/login. */
  readonly passwordLogin: boolean;
  /** The page to which the banner and the mail send people. Undefined: the built-in page. */
  readonly guideUrl: string | undefined;
}

/** The variables that the transition adds. They are removed with this folder. */
export class TransitionEnvironment extends Environment {
  static override readonly secrets: readonly string[] = [
    ...Environment.secrets,
    'SESSION_SECRET',
    'SESSION_SECRET_PREVIOUS',
    'REDIS_URL',
    'SESSION_CALLBACK_SECRET',
    'SMTP_URL',
    'USERS_SOURCE_URL',
  ];

  @MustBeInProduction(
    'set to the secret that signs session cookies',
    (value, env) => value !== undefined || needsNoSecret(env),
  )
  SESSION_SECRET?: string;

  @MustBe(
    `a secret, or a JSON array of 1 to ${MOST_PREVIOUS_SECRETS} secrets`,
    (value) => previousSecretsIn(value) !== undefined,
  )
  SESSION_SECRET_PREVIOUS?: string;

  @MustBeInContext(
    'postgres or redis because SESSION_CALLBACK_URL or SESSION_CALLBACK_SECRET is unset',
    (value, env) => value !== 'callback' || hasCallback(env),
  )
  @MustBeInContext(
    'postgres because REDIS_URL is unset',
    (value, env) => value !== 'redis' || (env as { REDIS_URL?: string }).REDIS_URL !== undefined,
  )
  @MustBe(oneOf(SESSION_STORES), (value) => isIn(value, SESSION_STORES))
  SESSION_STORE: (typeof SESSION_STORES)[number] = 'postgres';

  @MustBe('the URL of a Redis server (redis://… or rediss://…)', isRedisUrl)
  REDIS_URL?: string;

  @MustBe(`a text of up to ${LONGEST_PREFIX} characters`, isKeyPrefix)
  SESSION_REDIS_PREFIX = 'sess:';

  @MustNot('name a link-local address or a metadata service', namesForbiddenAddress)
  @MustBe(
    'an https URL, or an http URL of this machine, without name, password or fragment',
    (value) => isCallableUrl(value) && isHttpsOrLoopback(value),
  )
  SESSION_CALLBACK_URL?: string;

  @MustBe('1 to 512 visible ASCII characters', (value) => /^[!-~]{1,512}$/.test(String(value)))
  SESSION_CALLBACK_SECRET?: string;

  @MustBeInContext(NOT_IN_POSTGRESQL, isInPostgresql)
  @MustBe(
    'a table or schema.table: letters, digits, _ and $, or any other name in double quotes, of up to 63 bytes each',
    (value) => tableNameIn(value) !== undefined,
  )
  SESSION_TABLE?: string;

  @MustBeInContext(NOT_IN_POSTGRESQL, isInPostgresql)
  @MustBe(oneOf(SESSION_PRESETS), (value) => isIn(value, SESSION_PRESETS))
  SESSION_PRESET?: SessionPreset;

  @MustBeWholeNumber(1, LONGEST_EXPIRY, 'seconds')
  SESSION_EXPIRY = 86_400;

  @MustBe(
    'the name of a cookie (RFC 6265) other than refresh_token',
    (value) => isCookieName(value) && value !== 'refresh_token',
  )
  SESSION_COOKIE_NAME?: string;

  @MustBeInContext('unset because SESSION_COOKIE_NAME begins with __Host-', (_value, env) => !isForHost(env))
  @MustBe('the domain of a cookie (example.com)', isCookieDomain)
  SESSION_COOKIE_DOMAIN?: string;

  @MustBeInContext(
    '/ because SESSION_COOKIE_NAME begins with __Host-',
    (value, env) => value === '/' || !isForHost(env),
  )
  @MustBe('the path of a cookie: / and printable ASCII other than ; and space', isCookiePath)
  SESSION_COOKIE_PATH?: string;

  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value))
  @MustBe(oneOf(SAME_SITE), (value) => isIn(value, SAME_SITE))
  SESSION_COOKIE_SAME_SITE: TransitionConfig['sessionCookieSameSite'] = 'lax';

  @Transform(({ value }: { value: unknown }) => truth(value))
  @MustBe('true or false', (value) => typeof value === 'boolean')
  SESSION_COOKIE_PARTITIONED = false;

  @Transform(({ value }: { value: unknown }) => truth(value))
  @MustBeInContext(
    'true or auto: browsers require Secure for cookies that are SameSite=None, Partitioned or named __Host- or __Secure-',
    (value, env) => value !== false || !isForTls(env),
  )
  @MustBe('true, false or auto', (value) => typeof value === 'boolean' || value === 'auto')
  SESSION_COOKIE_SECURE?: boolean | 'auto';

  @MustBeInContext(
    'unset because the library of SESSION_PRESET keeps the user in a column',
    (_value, env) => !hasUserColumn((env as PresetVariables).SESSION_PRESET),
  )
  @MustBe('a dotted path into the session, such as passport.user', isDottedPath)
  SESSION_USER_KEY?: string;

  @MustBe(oneOf(PHASES), (value) => isIn(value, PHASES))
  ROLLOUT_PHASE: Phase = 'gradual_rollout';

  @MustBeWholeNumber(0, 100)
  ROLLOUT_PERCENTAGE = 100;

  @MustBe('the URL of a mail server (smtp://… or smtps://…)', (value) => isUrlOf(value, 'smtp:', 'smtps:'))
  SMTP_URL?: string;

  @MustBe('a mail address, in ASCII before the @', isMailbox)
  MAIL_FROM?: string;

  @RequiredWith('USERS_SOURCE_BY_ID')
  @MustBe(SOURCE_QUERY, (value) => sourceQuery(value) !== undefined)
  USERS_SOURCE_BY_NAME?: string;

  @RequiredWith('USERS_SOURCE_BY_NAME')
  @MustBe(SOURCE_QUERY, (value) => sourceQuery(value) !== undefined)
  USERS_SOURCE_BY_ID?: string;

  @MustBe(
    'the URL of a PostgreSQL database (postgresql://…)',
    (value) => typeof value === 'string' && databaseAddress(value) !== undefined,
  )
  USERS_SOURCE_URL?: string;

  @MustBe('on or off', (value) => value === 'on' || value === 'off')
  PASSWORD_LOGIN = 'on';

  @MustBe('the https URL of a page, without a user name or password', isPage)
  GUIDE_URL?: string;

  override toConfig(cwd: string, secret: SecretSource): TransitionConfig {
    const config = super.toConfig(cwd, secret);
    const secure = this.SESSION_COOKIE_SECURE ?? config.production;
    return {
      ...config,
      // No command verifies a session: any secret will do.
      sessionSecret:
        this.SESSION_SECRET ?? (needsNoSecret(this) ? '' : secret('SESSION_SECRET', config.dataDir, false)),
      sessionSecretsPrevious: previousSecretsIn(this.SESSION_SECRET_PREVIOUS) ?? [],
      redis: this.redis(),
      callback: this.callback(),
      sessionPreset: this.SESSION_PRESET,
      sessionTable: tableNameIn(this.SESSION_TABLE),
      sessionExpiry: this.SESSION_EXPIRY,
      sessionCookieName: this.SESSION_COOKIE_NAME ?? this.defaultCookieName(secure),
      sessionCookieDomain: this.SESSION_COOKIE_DOMAIN,
      sessionCookiePath: this.SESSION_COOKIE_PATH ?? this.defaultCookiePath(),
      sessionCookieSameSite: this.SESSION_COOKIE_SAME_SITE,
      sessionCookiePartitioned: this.SESSION_COOKIE_PARTITIONED,
      sessionCookieSecure: secure,
      sessionUserKey: this.SESSION_USER_KEY ?? (hasUserColumn(this.SESSION_PRESET) ? USER_FIELD : 'userId'),
      rolloutPhase: this.ROLLOUT_PHASE,
      rolloutPercentage: this.ROLLOUT_PERCENTAGE,
      smtpUrl: this.SMTP_URL,
      mailFrom: this.MAIL_FROM,
      usersSource: this.usersSource(),
      passwordLogin: this.PASSWORD_LOGIN === 'on',
      guideUrl: this.GUIDE_URL === undefined ? undefined : new URL(this.GUIDE_URL).href,
    };
  }

  private callback(): CallbackSettings | undefined {
    const { SESSION_STORE, SESSION_CALLBACK_URL: url, SESSION_CALLBACK_SECRET: secret } = this;
    if (SESSION_STORE !== 'callback' || url === undefined || secret === undefined) return undefined;
    return { url, secret };
  }

  private redis(): RedisSettings | undefined {
    if (this.SESSION_STORE !== 'redis' || this.REDIS_URL === undefined) return undefined;
    return { url: this.REDIS_URL, prefix: this.SESSION_REDIS_PREFIX };
  }

  private usersSource(): UsersSource | undefined {
    const byName = sourceQuery(this.USERS_SOURCE_BY_NAME);
    const byId = sourceQuery(this.USERS_SOURCE_BY_ID);
    if (byName === undefined || byId === undefined) return undefined;
    return { byName, byId, url: this.USERS_SOURCE_URL };
  }

  /** The names of better-auth and Auth.js: browsers accept the one with the prefix over TLS only. */
  private defaultCookieName(secure: boolean | 'auto'): string {
    const name = this.SESSION_PRESET && PRESET_COOKIES[this.SESSION_PRESET];
    if (name === undefined) return 'session_id';
    return secure === true ? `__Secure-${name}` : name;
  }

  private defaultCookiePath(): string {
    return isHostPrefixed(this.SESSION_COOKIE_NAME ?? '') ? '/' : pathPrefixOf(this.JWT_ISSUER) || '/';
  }
}

/**
 * The secrets of SESSION_SECRET_PREVIOUS. Text that starts with `[` has to be a JSON array, so that a typing error in one is not used as a
 * secret. Undefined for any other value.
 */
function previousSecretsIn(value: unknown): readonly string[] | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  if (!value.startsWith('[')) return [value];
  try {
    const secrets: unknown = JSON.parse(value);
    return Array.isArray(secrets) &&
      secrets.length > 0 &&
      secrets.length <= MOST_PREVIOUS_SECRETS &&
      secrets.every((secret): secret is string => typeof secret === 'string' && secret !== '')
      ? secrets
      : undefined;
  } catch {
    return undefined;
  }
}

/** True for `redis://[user:password@]host[:port][/database]`. */
function isRedisUrl(value: unknown): boolean {
  if (!isUrlOf(value, 'redis:', 'rediss:')) return false;
  const { hostname, pathname } = new URL(String(value));
  return hostname !== '' && /^\/?\d{0,5}$/.test(pathname);
}

/** The prefix may be empty: then every key is a session. */
function isKeyPrefix(value: unknown): boolean {
  return typeof value === 'string' && value.length <= LONGEST_PREFIX && value.isWellFormed();
}

/** True for a cookie's name: a token of RFC 6265, section 4.1.1. */
function isCookieName(value: unknown): boolean {
  return typeof value === 'string' && /^[\w!#$%&'*+.^`|~-]{1,128}$/.test(value);
}

/** Whether browsers take a cookie of the name only if it is Secure (RFC 6265bis, section 4.1.3). */
export function isSecurePrefixed(name: string): boolean {
  return /^__(?:Host|Secure)-/i.test(name);
}

/** Whether browsers take a cookie of the name only for one host and all its paths. */
export function isHostPrefixed(name: string): boolean {
  return /^__Host-/i.test(name);
}

/** The names of session cookies by preset. For the other presets, the product chooses the name, as with express-session. */
const PRESET_COOKIES: Readonly<Partial<Record<SessionPreset, string>>> = {
  'better-auth': 'better-auth.session_token',
  authjs: 'authjs.session-token',
};

interface PresetVariables {
  readonly SESSION_PRESET?: string | undefined;
}

interface StoreVariables extends PresetVariables {
  readonly SESSION_STORE?: string;
  readonly SESSION_CALLBACK_URL?: string;
  readonly SESSION_CALLBACK_SECRET?: string;
}

/** Tandem signs and verifies no session cookie: those of Auth.js have no signature, and with a callback the product reads its own. */
function needsNoSecret({ SESSION_PRESET, SESSION_STORE }: StoreVariables): boolean {
  return SESSION_PRESET === 'authjs' || SESSION_STORE === 'callback';
}

function hasCallback({ SESSION_CALLBACK_URL, SESSION_CALLBACK_SECRET }: StoreVariables): boolean {
  return SESSION_CALLBACK_URL !== undefined && SESSION_CALLBACK_SECRET !== undefined;
}

function isInPostgresql(_value: unknown, { SESSION_STORE }: StoreVariables): boolean {
  return SESSION_STORE === 'postgres';
}

/** The settings that decide which attributes browsers demand of the session cookie. */
interface CookieSettings {
  readonly SESSION_COOKIE_NAME?: string;
  readonly SESSION_COOKIE_SAME_SITE?: string;
  readonly SESSION_COOKIE_PARTITIONED?: unknown;
}

function isForHost({ SESSION_COOKIE_NAME: name }: CookieSettings): boolean {
  return isHostPrefixed(String(name));
}

function isForTls(settings: CookieSettings): boolean {
  const { SESSION_COOKIE_NAME, SESSION_COOKIE_SAME_SITE, SESSION_COOKIE_PARTITIONED } = settings;
  if (isSecurePrefixed(String(SESSION_COOKIE_NAME))) return true;
  return SESSION_COOKIE_PARTITIONED === true || SESSION_COOKIE_SAME_SITE === 'none';
}

/** True for a host name; older libraries put a dot before it. */
function isCookieDomain(value: unknown): boolean {
  return typeof value === 'string' && isHost(value.replace(/^\./, ''));
}

/** True for a path that a Set-Cookie header can name (RFC 6265, section 4.1.1). */
function isCookiePath(value: unknown): boolean {
  return typeof value === 'string' && /^\/[\u0021-\u003a\u003c-\u007e]{0,1023}$/.test(value);
}

/** Converts `true` and `false`; other values stay as they are. */
function truth(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value;
}

/** True for `userId` or `passport.user`, but not for a path that leaves the object's own data. */
function isDottedPath(value: unknown): boolean {
  if (typeof value !== 'string' || !/^[\w$-]+(?:\.[\w$-]+)*$/.test(value)) return false;
  return value.split('.').every((step) => !['__proto__', 'constructor', 'prototype'].includes(step));
}

/** True for a URL that may be published: everybody reads it. */
function isPage(value: unknown): boolean {
  if (!isUrlOf(value, 'https:')) return false;
  const { username, password, href } = new URL(String(value));
  return username === '' && password === '' && href.length <= LONGEST_URL;
}

/**
 * True for `a@b.example` and `Name <a@b.example>`, on one line. The domain may be internationalised. The part before the `@` has to be
 * ASCII: not every mail server accepts other characters (RFC 6531).
 */
function isMailbox(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const [, named, bare] =
    /^(?:[^\p{Cc}<>@]*<([^\s<>@]+@[^\s<>@]+)>|([^\s<>@]+@[^\s<>@]+))$/u.exec(value) ?? [];
  const [local, domain] = (named ?? bare ?? '').split('@');
  return (
    /^[\w!#$%&'*+./=?^`{|}~-]{1,64}$/.test(local!) &&
    /^[^"(),:;[\\\]]+$/.test(domain ?? '') &&
    domainToASCII(domain!) !== ''
  );
}
