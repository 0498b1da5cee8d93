/** A way in which products keep sessions, and what to set for it. */
export interface KnownStore {
  /** The library or the framework. */
  readonly name: string;
  /** A hint for an operator: the settings, or where to read on. */
  readonly advice: string;
}

interface Table {
  readonly store: KnownStore;
  /** In lower case, without `_`. */
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

/** The most specific first. The name of a cookie is a hint only; the form of express-session is its own. */
const COOKIES: readonly Cookie[] = [
  { store: EXPRESS, name: /./, value: /^s:[^.]+\.[\w+/]{43}$/ },
  { store: EXPRESS, name: /^connect\.sid$/ },
  { store: BETTER_AUTH, name: /^(?:__Secure-)?better-auth[.-]session_token$/ },
  { store: AUTHJS, name: /^(?:__Secure-)?(?:authjs|next-auth)\.session-token$/ },
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

/** The framework that set a cookie. `value`: as the Cookie header has it. */
export function storeOfCookie(name: string, value: string): KnownStore | undefined {
  const text = decoded(value);
  return COOKIES.find((cookie) => cookie.name.test(name) && (cookie.value?.test(text) ?? true))?.store;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
