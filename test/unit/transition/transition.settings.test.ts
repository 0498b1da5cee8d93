import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { ConfigurationError } from '../../../src/config/config.js';
import { loadDotenv } from '../../../src/config/dotenv.js';
import { Environment, environmentVariables } from '../../../src/config/environment.js';
import { storeSettings } from '../../../src/config/stored-settings.js';
import { loadCommandConfig, loadConfig } from '../../../src/config/load-config.js';
import { TransitionEnvironment } from '../../../src/transition/transition.settings.js';
import type { TransitionConfig } from '../../../src/transition/transition.settings.js';
import {
  TransitionSettingsCheck,
  settingsWarnings,
} from '../../../src/transition/transition-settings.check.js';

const NAMES = `
  SESSION_SECRET SESSION_SECRET_PREVIOUS SESSION_STORE REDIS_URL SESSION_REDIS_PREFIX
  SESSION_CALLBACK_URL SESSION_CALLBACK_SECRET SESSION_TABLE SESSION_PRESET
  SESSION_EXPIRY SESSION_COOKIE_NAME SESSION_COOKIE_DOMAIN SESSION_COOKIE_PATH
  SESSION_COOKIE_SAME_SITE SESSION_COOKIE_PARTITIONED SESSION_COOKIE_SECURE SESSION_USER_KEY ROLLOUT_PHASE ROLLOUT_PERCENTAGE SMTP_URL MAIL_FROM
  USERS_SOURCE_BY_NAME USERS_SOURCE_BY_ID USERS_SOURCE_URL PASSWORD_LOGIN GUIDE_URL
`
  .trim()
  .split(/\s+/);

const STRONG = 'kX3vQ9mZr7Lw2TnB8yHc5PdJ6sFg4AeU';
const SECRETS = { JWT_SECRET: STRONG, SESSION_SECRET: 'of the product' };
const PRODUCTION = { ...SECRETS, NODE_ENV: 'production', DATABASE_URL: 'postgresql://db/tandem' };

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'transition-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

const load = (env: NodeJS.ProcessEnv = SECRETS) =>
  loadConfig(env, cwd, TransitionEnvironment) as TransitionConfig;

const loadForCommand = (env: NodeJS.ProcessEnv) =>
  loadCommandConfig(env, cwd, TransitionEnvironment) as TransitionConfig;

function faultsIn(work: () => unknown): readonly string[] {
  try {
    work();
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
}

const faultsOf = (env: NodeJS.ProcessEnv) => faultsIn(() => load({ ...SECRETS, ...env }));

describe('the settings of the transition', () => {
  it.each([
    ['knex', { sessionCookieName: 'session_id', sessionUserKey: 'userId' }],
    ['sequelize', { sessionCookieName: 'session_id', sessionUserKey: 'userId' }],
    ['better-auth', { sessionCookieName: 'better-auth.session_token', sessionUserKey: 'user' }],
    ['authjs', { sessionCookieName: 'authjs.session-token', sessionUserKey: 'user' }],
  ])('take the names of the library from SESSION_PRESET=%s', (name, names) => {
    expect(load({ ...SECRETS, SESSION_PRESET: name })).toMatchObject({ sessionPreset: name, ...names });
  });

  it('begin the name of the cookie of better-auth and Auth.js with __Secure- over TLS', () => {
    for (const [name, cookie] of [
      ['better-auth', '__Secure-better-auth.session_token'],
      ['authjs', '__Secure-authjs.session-token'],
    ])
      expect(load({ ...PRODUCTION, SESSION_PRESET: name }).sessionCookieName).toBe(cookie);
    const plain = { ...PRODUCTION, SESSION_PRESET: 'authjs', SESSION_COOKIE_SECURE: 'auto' };
    expect(load(plain).sessionCookieName).toBe('authjs.session-token');
  });

  it('need no SESSION_SECRET with Auth.js, whose cookies have no signature', () => {
    const { SESSION_SECRET: _, ...unset } = PRODUCTION;
    expect(load({ ...unset, SESSION_PRESET: 'authjs' }).sessionSecret).toBe('');
    expect(faultsIn(() => load({ ...unset, SESSION_PRESET: 'better-auth' }))).toEqual([
      'SESSION_SECRET must be set to the secret that signs session cookies (in production)',
    ]);
  });

  it('take a callback with a URL and a secret, and need no SESSION_SECRET then', () => {
    const { SESSION_SECRET: _, ...unset } = PRODUCTION;
    const callback = {
      SESSION_STORE: 'callback',
      SESSION_CALLBACK_URL: 'https://shop.example/tandem/session',
      SESSION_CALLBACK_SECRET: 'x',
    };
    expect(load({ ...unset, ...callback })).toMatchObject({
      sessionSecret: '',
      callback: { url: 'https://shop.example/tandem/session', secret: 'x' },
    });
    for (const url of ['http://127.0.0.1:3000/a', 'http://localhost/a', 'http://[::1]:3000/a'])
      expect(load({ ...SECRETS, ...callback, SESSION_CALLBACK_URL: url }).callback).toEqual({
        url,
        secret: 'x',
      });
    expect(load({ ...SECRETS, ...callback, SESSION_STORE: 'postgres' }).callback).toBeUndefined();
  });

  it.each([
    ['http://shop.example/'],
    ['ftp://shop.example/'],
    ['https://user:password@shop.example/'],
    ['https://shop.example/#top'],
    ['shop.example'],
  ])('refuse the callback URL %j with one line', (url) => {
    const faults = faultsOf({
      SESSION_STORE: 'callback',
      SESSION_CALLBACK_URL: url,
      SESSION_CALLBACK_SECRET: 'x',
    });
    expect(faults).toEqual([expect.stringMatching(/^SESSION_CALLBACK_URL must /)]);
  });

  it('refuse a callback without its settings, at a link-local address, or beside settings of a table', () => {
    const missing =
      'SESSION_STORE must be postgres or redis because SESSION_CALLBACK_URL or SESSION_CALLBACK_SECRET is unset';
    const url = 'https://shop.example/';
    expect(faultsOf({ SESSION_STORE: 'callback' })).toEqual([missing]);
    expect(faultsOf({ SESSION_STORE: 'callback', SESSION_CALLBACK_URL: url })).toEqual([missing]);
    const callback = { SESSION_STORE: 'callback', SESSION_CALLBACK_URL: url, SESSION_CALLBACK_SECRET: 'x' };
    expect(faultsOf({ ...callback, SESSION_CALLBACK_URL: 'https://169.254.169.254/' })).toEqual([
      'SESSION_CALLBACK_URL must not name a link-local address or a metadata service',
    ]);
    expect(faultsOf({ ...callback, SESSION_CALLBACK_SECRET: 'a b' })).toEqual([
      'SESSION_CALLBACK_SECRET must be 1 to 512 visible ASCII characters',
    ]);
    for (const [name, value] of [
      ['SESSION_TABLE', 'session'],
      ['SESSION_PRESET', 'knex'],
    ])
      expect(faultsOf({ ...callback, [name!]: value })).toEqual([
        `${name} must be unset because sessions are not in PostgreSQL: SESSION_STORE`,
      ]);
  });

  it('refuse a preset that there is not, and a path to a user whom the library keeps in a column', () => {
    expect(faultsOf({ SESSION_PRESET: 'lucia' })).toEqual([
      'SESSION_PRESET must be one of knex, sequelize, better-auth, authjs',
    ]);
    expect(faultsOf({ SESSION_PRESET: 'authjs', SESSION_USER_KEY: 'userId' })).toEqual([
      'SESSION_USER_KEY must be unset because the library of SESSION_PRESET keeps the user in a column',
    ]);
    expect(faultsOf({ SESSION_PRESET: 'knex', SESSION_USER_KEY: 'passport.user' })).toEqual([]);
  });

  it('are the variables of the contract that go with sessions', () => {
    expect(environmentVariables(TransitionEnvironment)).toEqual([...environmentVariables(), ...NAMES]);
    expect(environmentVariables(Environment)).toEqual(environmentVariables());
  });

  it('have the documented defaults', () => {
    expect(load()).toEqual({
      ...loadConfig(SECRETS, cwd),
      sessionSecret: 'of the product',
      sessionSecretsPrevious: [],
      sessionPreset: undefined,
      sessionTable: undefined,
      sessionExpiry: 86_400,
      sessionCookieName: 'session_id',
      sessionCookieDomain: undefined,
      sessionCookiePath: '/',
      sessionCookieSameSite: 'lax',
      sessionCookiePartitioned: false,
      sessionCookieSecure: false,
      sessionUserKey: 'userId',
      rolloutPhase: 'gradual_rollout',
      rolloutPercentage: 100,
      smtpUrl: undefined,
      mailFrom: undefined,
      usersSource: undefined,
      passwordLogin: true,
      guideUrl: undefined,
    });
  });

  it('have the values that .env.example shows', () => {
    const example = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8');
    const shown = load({
      ...parse(example.replaceAll(/^#(?=SESSION|ROLLOUT|SMTP|MAIL|GUIDE)/gm, '')),
      ...SECRETS,
    });
    expect(shown).toEqual({
      ...load(),
      sessionPreset: 'knex',
      sessionTable: { schema: 'public', name: 'user_sessions' },
      sessionCookieDomain: 'example.com',
      smtpUrl: 'smtps://user:password@mail.example.com',
      mailFrom: 'Tandem <no-reply@example.com>',
      guideUrl: 'https://example.com/help/sign-in',
    });
  });

  it.each([
    ['REDIS_URL', 'redis://localhost', 'redis', undefined],
    ['SESSION_TABLE', 'user_sessions', 'sessionTable', { schema: undefined, name: 'user_sessions' }],
    ['SESSION_TABLE', 'Shop.userSessions', 'sessionTable', { schema: 'Shop', name: 'userSessions' }],
    ['SESSION_TABLE', 'shop."a ""b"".c"', 'sessionTable', { schema: 'shop', name: 'a "b".c' }],
    ['SESSION_COOKIE_NAME', 'connect.sid', 'sessionCookieName', 'connect.sid'],
    ['SESSION_COOKIE_DOMAIN', '.example.com', 'sessionCookieDomain', '.example.com'],
    ['SESSION_COOKIE_PATH', '/app', 'sessionCookiePath', '/app'],
    ['JWT_ISSUER', 'https://id.example.com/tandem', 'sessionCookiePath', '/tandem'],
    ['SESSION_COOKIE_SAME_SITE', 'None', 'sessionCookieSameSite', 'none'],
    ['SESSION_COOKIE_PARTITIONED', 'true', 'sessionCookiePartitioned', true],
    ['SESSION_COOKIE_SECURE', 'true', 'sessionCookieSecure', true],
    ['SESSION_COOKIE_SECURE', 'auto', 'sessionCookieSecure', 'auto'],
    ['SESSION_USER_KEY', 'passport.user', 'sessionUserKey', 'passport.user'],
    ['ROLLOUT_PHASE', 'off', 'rolloutPhase', 'off'],
    ['ROLLOUT_PERCENTAGE', '0', 'rolloutPercentage', 0],
    ['SMTP_URL', 'smtps://u:p@mail', 'smtpUrl', 'smtps://u:p@mail'],
    ['GUIDE_URL', 'https://help.example/a?b=c', 'guideUrl', 'https://help.example/a?b=c'],
    [
      'GUIDE_URL',
      'https://bücher.example/<a>#">',
      'guideUrl',
      'https://xn--bcher-kva.example/%3Ca%3E#%22%3E',
    ],
    ['SESSION_SECRET_PREVIOUS', 'one of old', 'sessionSecretsPrevious', ['one of old']],
    ['SESSION_SECRET_PREVIOUS', '["one","two"]', 'sessionSecretsPrevious', ['one', 'two']],
    ['MAIL_FROM', 'Tandem <a@b.example>', 'mailFrom', 'Tandem <a@b.example>'],
    ['MAIL_FROM', 'Bücher <a@bücher.example>', 'mailFrom', 'Bücher <a@bücher.example>'],
    ['MAIL_FROM', '"Tandem" <a@b.example>', 'mailFrom', '"Tandem" <a@b.example>'],
  ])('read %s=%s', (name, value, property, expected) => {
    expect(load({ ...SECRETS, [name]: value })).toHaveProperty(property, expected);
  });

  it.each([
    ['SESSION_EXPIRY', '0'],
    ['SESSION_SECRET_PREVIOUS', '[', '[]', '["a",""]', '[1]', '["a"', JSON.stringify(Array(9).fill('a'))],
    ['SESSION_STORE', 'redis', 'callback', 'Postgres', 'memory'],
    ['REDIS_URL', 'localhost:6379', 'http://localhost', 'redis://', 'redis://host/name', 'redis://u:p@h/1/2'],
    ['SESSION_REDIS_PREFIX', 'x'.repeat(257)],
    [
      'SESSION_TABLE',
      '.session',
      'a.b.c',
      'a b',
      '1a',
      'session;',
      'session; DROP TABLE users',
      'session"',
      '"a"b"',
      '""',
      'shop.',
      'a-b',
      'é',
      'shop."a\nb"',
      'a'.repeat(64),
      `"${'é'.repeat(32)}".b`,
    ],
    ['SESSION_COOKIE_NAME', 'a b', 'a;b', 'a=b', 'é', 'refresh_token'],
    ['SESSION_COOKIE_DOMAIN', 'a;b', 'a b', 'https://a', 'a/b', '..a', '.', 'a.b; Path=/'],
    ['SESSION_COOKIE_PATH', 'app', '/a;b', '/a b', '/\n', '/é', `/${'a'.repeat(1024)}`],
    ['SESSION_COOKIE_SAME_SITE', 'true', 'loose', 'none; a=b'],
    ['SESSION_COOKIE_PARTITIONED', 'yes', '1', 'TRUE'],
    ['SESSION_COOKIE_SECURE', 'no', '0', 'Auto'],
    ['SESSION_USER_KEY', 'a..b', '.a', 'a.', '__proto__.x', 'a.constructor', 'a b'],
    ['ROLLOUT_PHASE', 'on', 'OFF'],
    ['ROLLOUT_PERCENTAGE', '101', '50%', '0.5'],
    ['SMTP_URL', 'mail.example.com', 'http://mail'],
    [
      'MAIL_FROM',
      'tandem',
      'a@b, c@d',
      'x\r\nBcc: a@b',
      'Jürgen <jürgen@b.example>',
      'a@b,c.example',
      'a@b..\u{fdd0}',
      'a@',
    ],
    [
      'GUIDE_URL',
      'http://help.example',
      'help.example',
      '/help',
      'https://u:p@help.example',
      'javascript:alert(1)',
      `https://a/${'a'.repeat(2_048)}`,
    ],
    ['ROLLOUT_PHASE', "'off'"],
    ['SMTP_URL', "'smtp://mail'", 'smtp://mail\r'],
    ['MAIL_FROM', "'a@b.example'"],
    ['SESSION_SECRET', '${SESSION_SECRET:?make one}', '$(cat /run/secrets/session)'],
  ])('refuse a bad %s with one line that names it and repeats nothing', (name, ...values) => {
    for (const value of values) {
      const faults = faultsOf({ [name]: value });
      expect(faults, value).toEqual([expect.stringMatching(new RegExp(`^${name} must [^\\n]+$`))]);
      if (name === 'SESSION_SECRET') expect(faults[0]).not.toContain(value);
    }
  });

  it('read where sessions are in Redis', () => {
    const url = 'rediss://tandem:secret@redis.example.com:6380/2';
    const env = { ...SECRETS, SESSION_STORE: 'redis', REDIS_URL: url };
    expect(load(env).redis).toEqual({ url, prefix: 'sess:' });
    expect(load({ ...env, SESSION_REDIS_PREFIX: 'shop:' }).redis).toEqual({ url, prefix: 'shop:' });
  });

  it('refuse a session table beside a store outside of the database', () => {
    const env = { SESSION_STORE: 'redis', REDIS_URL: 'redis://:secret@localhost', SESSION_TABLE: 'session' };
    const [fault, ...others] = faultsOf(env);
    expect(fault).toMatch(/^SESSION_TABLE must be unset /);
    expect(fault).not.toContain('secret');
    expect(others).toEqual([]);
  });

  it('report their faults together with those of the service', () => {
    const faults = faultsOf({ PORT: 'x', LOG_LEVEL: 'loud', ROLLOUT_PERCENTAGE: '101' });
    expect(faults.map((line) => line.split(' ')[0])).toEqual(['PORT', 'LOG_LEVEL', 'ROLLOUT_PERCENTAGE']);
  });

  it('fail with faults only, for any value', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('SESSION_USER_KEY', 'MAIL_FROM'),
        fc.string({ unit: 'binary' }),
        (name, value) => {
          for (const fault of faultsOf({ [name]: value }))
            expect(fault.startsWith(`${name} must `)).toBe(true);
        },
      ),
    );
  });

  it('refuse attributes with which browsers refuse a session cookie', () => {
    const insecure = { SESSION_COOKIE_SECURE: 'false' };
    for (const demanding of [
      { SESSION_COOKIE_SAME_SITE: 'none' },
      { SESSION_COOKIE_PARTITIONED: 'true' },
      { SESSION_COOKIE_NAME: '__Host-sid' },
      { SESSION_COOKIE_NAME: '__secure-sid' },
    ]) {
      expect(faultsOf({ ...demanding, ...insecure })).toEqual([
        expect.stringMatching(/^SESSION_COOKIE_SECURE must be true or auto/),
      ]);
      expect(faultsOf({ ...demanding, SESSION_COOKIE_SECURE: 'auto' })).toEqual([]);
      expect(faultsOf(demanding)).toEqual([]);
    }
    const host = { SESSION_COOKIE_NAME: '__Host-sid' };
    expect(faultsOf({ ...host, SESSION_COOKIE_DOMAIN: 'example.com' })).toEqual([
      expect.stringMatching(/^SESSION_COOKIE_DOMAIN must be unset/),
    ]);
    expect(faultsOf({ ...host, SESSION_COOKIE_PATH: '/app' })).toEqual([
      expect.stringMatching(/^SESSION_COOKIE_PATH must be \/ because/),
    ]);
    expect(load({ ...SECRETS, ...host, JWT_ISSUER: 'https://a.example/b' })).toMatchObject({
      sessionCookiePath: '/',
    });
    expect(load(PRODUCTION)).toMatchObject({ sessionCookieSecure: true });
  });
});

describe('the settings of mail', () => {
  it('take the URL of the server from a file', () => {
    writeFileSync(join(cwd, 'url'), 'smtp://u:p@mail\n');
    expect(load({ ...PRODUCTION, SMTP_URL_FILE: 'url' }).smtpUrl).toBe('smtp://u:p@mail');
  });

  it('warn if a server is set and no sender', () => {
    const warnings = settingsWarnings(load({ ...PRODUCTION, SMTP_URL: 'smtp://mail' }));
    expect(warnings).toEqual([expect.stringMatching(/^MAIL_FROM is unset/)]);
    expect(
      settingsWarnings(load({ ...PRODUCTION, SMTP_URL: 'smtp://mail', MAIL_FROM: 'a@b.example' })),
    ).toEqual([]);
  });
});

describe('SESSION_SECRET', () => {
  it('is required in production', () => {
    const faults = faultsOf({ ...PRODUCTION, SESSION_SECRET: '' });
    expect(faults).toEqual([expect.stringMatching(/^SESSION_SECRET must be set to the secret that signs/)]);
    expect(load(PRODUCTION)).toMatchObject({ production: true, sessionSecret: 'of the product' });
  });

  it('is made outside production, apart from JWT_SECRET, and is the same at the next start', () => {
    const first = load({});
    expect(Buffer.from(first.sessionSecret, 'base64url')).toHaveLength(32);
    expect(first.sessionSecret).not.toBe(first.jwtSecret);
    expect(load({})).toEqual(first);
    const secrets = join(cwd, '.data', 'secrets');
    expect(readdirSync(secrets).toSorted()).toEqual(['jwt-secret', 'session-secret']);
    expect(loadForCommand({}).sessionSecret).toBe(first.sessionSecret);
  });

  it('is the one that the last node on the same database was started with', () => {
    const env = { DATABASE_URL: 'postgresql://127.0.0.1/mine', JWT_SECRET: 'one', SESSION_SECRET: 'two' };
    storeSettings(env, load(env).dataDir, TransitionEnvironment, cwd);
    expect(load({ DATABASE_URL: env.DATABASE_URL })).toMatchObject({
      jwtSecret: 'one',
      sessionSecret: 'two',
    });
    expect(loadForCommand({})).toMatchObject({ jwtSecret: 'one', sessionSecret: 'two' });
  });

  it('is not needed by a command, which makes none', () => {
    expect(Buffer.from(loadForCommand({ JWT_SECRET: 'given' }).sessionSecret, 'base64url')).toHaveLength(32);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('comes from a file, without the line break at its end', () => {
    writeFileSync(join(cwd, 'secret'), 'of the product\n');
    const env = { ...PRODUCTION, SESSION_SECRET: '', SESSION_SECRET_FILE: 'secret' };
    expect(load(env).sessionSecret).toBe('of the product');
    expect(faultsOf({ SESSION_SECRET_FILE: 'secret' })).toEqual([
      expect.stringMatching(/^SESSION_SECRET_FILE must be unset because SESSION_SECRET is set/),
    ]);
  });

  it.each(['short', 'qwertyuiopasdfghjklzxcvbnm123456'])(
    'accepts a weak value, because a product may use it (%s)',
    (value) => {
      expect(faultsOf({ ...PRODUCTION, SESSION_SECRET: value })).toEqual([]);
    },
  );

  it('is reported by the doctor if it is short, with advice', async () => {
    const examine = (SESSION_SECRET: string) =>
      new TransitionSettingsCheck(new BackgroundLoops(false), load({ ...SECRETS, SESSION_SECRET })).examine();
    expect(await examine('cat')).toMatchObject([
      { check: 'session_secret', level: 'warn', advice: expect.stringMatching(/\w/) },
    ]);
    expect(await examine(STRONG)).toMatchObject([{ check: 'session_secret', level: 'ok' }]);
  });

  it('accepts a value in an unusual form, and warns without quoting it', () => {
    for (const value of [`"${STRONG}"`, `${STRONG}\n`, ` ${STRONG}`, `\uFEFF${STRONG}`, `"${STRONG}`]) {
      const config = load({ ...PRODUCTION, SESSION_SECRET: value });
      expect(config.sessionSecret).toBe(value);
      const warnings = settingsWarnings(config);
      expect(warnings, JSON.stringify(value)).toEqual([expect.stringMatching(/^SESSION_SECRET [^\n]+$/)]);
      expect(warnings[0]).not.toContain(STRONG);
    }
    expect(settingsWarnings(load(PRODUCTION))).toEqual([]);
  });

  it.each(['SESSION_SECRET=abc#def', 'SESSION_SECRET=abc def#ghi'])(
    'is refused in .env if its value ends at a # (%s)',
    (line) => {
      writeFileSync(join(cwd, '.env'), `${line}\n`);
      expect(faultsIn(() => loadDotenv(cwd, {}, TransitionEnvironment))).toEqual([
        expect.stringMatching(/^\.env must quote .*SESSION_SECRET/),
      ]);
    },
  );
});
