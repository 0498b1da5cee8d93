/** A way in which products keep sessions, and what to set for it. */
export interface KnownStore {
  /** The library or the framework. */
  readonly name: string;
  /** A hint for an operator: the settings, or where to read on. */
  readonly advice: string;
}

interface Table {
  readonly store: KnownStore;
  /** The names of the columns, in lower case and without `_`. */
  readonly columns: readonly string[];
}

interface Cookie {
  readonly store: KnownStore;
  readonly name: RegExp;
  readonly value?: RegExp;
}

const ELSEWHERE = 'Tandem cannot read these sessions itself: see docs/adopt/sessions.md';

const preset = (name: string, value: string): KnownStore => ({ name, advice: `set SESSION_PRESET=${value}` });
const other = (name: string): KnownStore => ({ name, advice: ELSEWHERE });

const BETTER_AUTH = preset('better-auth', 'better-auth');
const AUTHJS = preset('Auth.js with database sessions', 'authjs');
const AUTHJS_NAME = /^(?:__Secure-)?(?:authjs|next-auth)\.session-token$/;
const AUTHJS_JWT = other('Auth.js with sessions in the cookie');
const DJANGO = other('Django');
const RAILS = other('Rails');
const LARAVEL = other('Laravel');

/** The most specific first. */
const TABLES: readonly Table[] = [
  {
    store: { name: 'connect-pg-simple', advice: 'set SESSION_TABLE to it' },
    columns: ['sid', 'sess', 'expire'],
  },
  { store: preset('connect-session-knex', 'knex'), columns: ['sid', 'sess', 'expired'] },
  { store: preset('connect-session-sequelize', 'sequelize'), columns: ['sid', 'data', 'expires'] },
  { store: AUTHJS, columns: ['sessiontoken', 'userid', 'expires'] },
  { store: BETTER_AUTH, columns: ['token', 'userid', 'expiresat'] },
  { store: DJANGO, columns: ['sessionkey', 'sessiondata', 'expiredate'] },
  { store: LARAVEL, columns: ['payload', 'lastactivity'] },
  { store: RAILS, columns: ['sessionid', 'data'] },
];

const EXPRESS: KnownStore = {
  name: 'express-session',
  advice:
    'the store is the option `store` of session(): connect-pg-simple needs SESSION_TABLE, connect-redis needs SESSION_STORE=redis',
};

/** JSON in base64 that begins with a key: the encrypted cookies of Laravel, and the encrypted tokens of Auth.js. */
const LARAVEL_VALUE = /^eyJpdiI6[\w+/=]+$/;
const JWE = /^eyJ[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/;

/** The most specific first. The name of a cookie is a hint only. The forms of values without a name belong to one library each. */
const COOKIES: readonly Cookie[] = [
  { store: EXPRESS, name: /./, value: /^s:[^.]+\.[\w+/]{43}$/ },
  { store: BETTER_AUTH, name: /./, value: /^[A-Za-z\d]{32}\.[A-Za-z\d+/]{43}=$/ },
  { store: other('iron-session'), name: /./, value: /^Fe26\.2\*/ },
  { store: LARAVEL, name: /./, value: LARAVEL_VALUE },
  { store: RAILS, name: /./, value: /^[\w+/=]+--(?=.{20})[\w+/=]+(?:--[\w+/=]+)?$/ },
  { store: EXPRESS, name: /^connect\.sid$/ },
  { store: BETTER_AUTH, name: /^(?:__Secure-)?better-auth[.-]session_token$/ },
  { store: AUTHJS_JWT, name: AUTHJS_NAME, value: JWE },
  { store: AUTHJS, name: AUTHJS_NAME },
  { store: LARAVEL, name: /^laravel[_-]session$/ },
  { store: other('PHP'), name: /^PHPSESSID$/i },
  { store: other('Java'), name: /^JSESSIONID$/i },
  { store: DJANGO, name: /^sessionid$/, value: /^(?:[a-z\d]{32}|.+:.+:.+)$/ },
  { store: other('Flask or Starlette'), name: /^session$/, value: /^[\w.=-]+\.[\w-]+\.[\w-]+$/ },
  { store: RAILS, name: /^_[\w-]+_session$/ },
];

/** The library whose sessions a table with these columns holds. */
export function storeOfTable(columns: readonly string[]): KnownStore | undefined {
  const known = new Set(columns.map((column) => column.toLowerCase().replaceAll('_', '')));
  return TABLES.find((table) => table.columns.every((column) => known.has(column)))?.store;
}

/** The framework that set a cookie. `value`: as the Cookie header has it; undefined if only the name is known. */
export function storeOfCookie(name: string, value?: string): KnownStore | undefined {
  return COOKIES.find((rule) => matches(rule, name, value))?.store;
}

function matches(rule: Cookie, name: string, value = ''): boolean {
  return rule.name.test(name) && (rule.value?.test(decoded(value)) ?? true);
}

/** A cookie that was recognised. */
export interface KnownCookie {
  readonly name: string;
  readonly store: KnownStore;
}

/**
 * The cookie of a session among those that an operator gives: the value of one, `name=value`, or a whole Cookie header. The most specific form
 * wins, then `name`, then the order of the header. A cookie without a name is taken for `name`. What looks like a name may be part of a secret, so only the name of a recognised cookie is returned.
 */
export function knownCookieIn(text: string, name: string): KnownCookie | undefined {
  const cookies = text
    .replace(/^cookie:/i, '')
    .split(';')
    .map((part) => NAMED.exec(part.trim())?.groups ?? { name, value: part.trim() })
    .map((groups) => ({ name: groups['name']!, value: groups['value']! }));
  const sorted = [...cookies.filter((each) => each.name === name), ...cookies];
  for (const rule of COOKIES) {
    const cookie = sorted.find((each) => matches(rule, each.name, each.value));
    if (cookie !== undefined) return { name: cookie.name, store: rule.store };
  }
  return undefined;
}

/** A pair of a Cookie header (RFC 6265, section 4.1.1). Padding of base64 is no separator. */
const NAMED = /^(?<name>[\w!#$%&'*+.^`|~-]+)=(?<value>[^=].*)$/;

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
