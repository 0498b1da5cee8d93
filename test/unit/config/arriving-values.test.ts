import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configWarnings } from '../../../src/config/config-warnings.js';
import { ConfigurationError } from '../../../src/config/config.js';
import { loadDotenv } from '../../../src/config/dotenv.js';
import { loadConfig } from '../../../src/config/load-config.js';

const STRONG = 'kX3vQ9mZr7Lw2TnB8yHc5PdJ6sFg4AeU';
const SECRETS = { JWT_SECRET: STRONG };
const PRODUCTION = { ...SECRETS, NODE_ENV: 'production', DATABASE_URL: 'postgresql://db/tandem' };

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'settings-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

function faultsIn(work: () => unknown): readonly string[] {
  try {
    work();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.faults;
  }
}

const faultsOf = (env: NodeJS.ProcessEnv) => faultsIn(() => loadConfig({ ...SECRETS, ...env }, cwd));
const warningsOf = (env: NodeJS.ProcessEnv) => configWarnings(loadConfig({ ...PRODUCTION, ...env }, cwd));

describe('the form of a value', () => {
  it.each([
    [
      'NODE_ENV',
      '"production"',
      "'production'",
      '`production`',
      '“production”',
      '"production',
      'production\r',
    ],
    ['NODE_ENV', '=production', '\uFEFFproduction', '\u200Bproduction', 'production '],
    ['DATABASE_URL', '"postgresql://db/tandem"', 'postgresql://db/tandem\n', '${DATABASE_URL}'],
    ['JWT_AUDIENCE', '"api"', 'api ', 'api\r', '\u00a0api', '${AUDIENCE}'],
    ['PORT', '"5000"', '5000\r', '5000 '],
    ['LOG_LEVEL', '"info"', 'info\r\n'],
    ['DATA_DIR', '".data"', '.data\r'],
    ['TRUST_PROXY', '"10.0.0.0/8"'],
    ['CORS_ORIGINS', '"https://a.example"'],
    ['JWT_SECRET', '${JWT_SECRET}', '$(openssl rand -base64 48)'],
  ])('refuses a malformed %s and does not repeat the value', (name, ...values) => {
    for (const value of values) {
      const faults = faultsOf({ [name]: value });
      expect(faults, JSON.stringify(value)).toEqual([
        expect.stringMatching(new RegExp(`^${name} must be [^\\n]+$`)),
      ]);
      if (name !== 'NODE_ENV') expect(faults[0]).not.toContain(value.trim());
    }
  });

  it.each([
    'a pass phrase that ends\n',
    'two\nlines of one pass phrase',
    '"a pass phrase in quotes"',
    'carriage\r',
  ])('refuses an ADMIN_PASSWORD that nobody can type (%j)', (ADMIN_PASSWORD) => {
    expect(faultsOf({ ADMIN_USERNAME: 'root', ADMIN_PASSWORD })).toEqual([
      expect.stringMatching(/^ADMIN_PASSWORD must be a value without (?:line breaks|quotation marks)/),
    ]);
  });

  it.each(['JWT_SECRET', 'JWT_SECRET_PREVIOUS'])(
    'accepts a malformed %s with a warning, because it may be in use',
    (name) => {
      for (const value of [
        `"${STRONG}"`,
        `'${STRONG}'`,
        `${STRONG}\n`,
        `${STRONG}\r`,
        ` ${STRONG}`,
        `\uFEFF${STRONG}`,
        `"${STRONG}`,
      ]) {
        const config = loadConfig({ ...PRODUCTION, [name]: value }, cwd);
        expect(Object.values(config)).toContain(value);
        const warnings = configWarnings(config);
        expect(warnings, JSON.stringify(value)).toEqual([
          expect.stringMatching(new RegExp(`^${name} [^\\n]+$`)),
        ]);
        expect(warnings[0]).not.toContain(STRONG);
      }
    },
  );

  it('accepts an ADMIN_PASSWORD that begins or ends with a space, with a warning', () => {
    expect(warningsOf({ ADMIN_USERNAME: 'root', ADMIN_PASSWORD: ' a pass phrase ' })).toEqual([
      expect.stringMatching(/^ADMIN_PASSWORD /),
    ]);
  });

  it.each([
    ['ADMIN_PASSWORD', 'she said "let me in"'],
    ['DATABASE_URL', 'postgresql://u:%22p%22@db/tandem'],
    ['NODE_ENV', 'test'],
    ['NODE_ENV', 'preprod'],
  ])('accepts a valid %s that looks malformed (%s)', (name, value) => {
    const more = name === 'ADMIN_PASSWORD' ? { ADMIN_USERNAME: 'root' } : {};
    expect(faultsOf({ ...more, [name]: value })).toEqual([]);
  });
});

describe('a secret in a file', () => {
  function file(name: string, content: string | Buffer): string {
    writeFileSync(join(cwd, name), content);
    return name;
  }

  it.each([
    ['DATABASE_URL', 'databaseUrl', 'postgresql://u:p@db/tandem'],
    ['JWT_SECRET', 'jwtSecret', `${STRONG}-another`],
    ['JWT_SECRET_PREVIOUS', 'jwtSecretPrevious', `${STRONG}-previous`],
    ['ADMIN_PASSWORD', 'adminPassword', 'pass phrase of the admin'],
  ])('reads %s from a file without one trailing line break', (name, property, value) => {
    const env: NodeJS.ProcessEnv = { ...PRODUCTION, ADMIN_USERNAME: 'root', ADMIN_PASSWORD: 'p' };
    delete env[name];
    for (const content of [value, `${value}\n`, `${value}\r\n`, `\uFEFF${value}\n`])
      expect(loadConfig({ ...env, [`${name}_FILE`]: file('secret', content) }, cwd)).toHaveProperty(
        property,
        value,
      );
    expect(loadConfig({ ...env, [`${name}_FILE`]: join(cwd, 'secret') }, '/nowhere')).toHaveProperty(
      property,
      value,
    );
    expect(loadConfig({ ...PRODUCTION, [`${name}_FILE`]: '' }, cwd).jwtSecret).toBe(STRONG);
  });

  it('strips only one trailing line break from a secret file', () => {
    const path = file('secret', `${STRONG}\n\n`);
    const env = { ...PRODUCTION, JWT_SECRET: undefined, JWT_SECRET_FILE: path };
    expect(loadConfig(env, cwd).jwtSecret).toBe(`${STRONG}\n`);
    expect(warningsOf(env)).toEqual([expect.stringMatching(/^JWT_SECRET .*line breaks/)]);
    const admin = { ADMIN_USERNAME: 'root', ADMIN_PASSWORD_FILE: file('password', 'pass phrase\n\n') };
    expect(faultsOf(admin)).toEqual([expect.stringMatching(/^ADMIN_PASSWORD must be .*line breaks/)]);
  });

  it('refuses a secret that is set both in a file and in its variable', () => {
    const path = file('secret', STRONG);
    expect(faultsOf({ JWT_SECRET_FILE: path })).toEqual([
      expect.stringMatching(/^JWT_SECRET_FILE must be unset because JWT_SECRET is set/),
    ]);
  });

  it.each<[string, (path: string) => void, RegExp]>([
    ['is missing', () => {}, /\(ENOENT\)$/],
    ['is a folder', (path) => mkdirSync(path), /\(EISDIR\)$/],
    ['is empty', (path) => writeFileSync(path, ''), /not empty$/],
    ['is a line break', (path) => writeFileSync(path, '\n'), /not empty$/],
    ['is UTF-16', (path) => writeFileSync(path, Buffer.from(`\uFEFF${STRONG}`, 'utf16le')), /UTF-16$/],
    ['is Latin-1', (path) => writeFileSync(path, Buffer.from('pässword'.repeat(5), 'latin1')), /UTF-8$/],
    ['is huge', (path) => writeFileSync(path, 'x'.repeat(100_000)), /at most 65536 bytes$/],
  ])('refuses a secret file that %s with one line that names the variable', (_, make, reason) => {
    make(join(cwd, 'secret'));
    const faults = faultsOf({
      JWT_SECRET: '',
      NODE_ENV: 'production',
      DATABASE_URL: 'postgresql://db/t',
      JWT_SECRET_FILE: 'secret',
    });
    expect(faults).toEqual([expect.stringMatching(/^JWT_SECRET_FILE must be the path of [^\n]+$/)]);
    expect(faults[0]).toMatch(reason);
  });

  it('refuses a secret file that never ends', () => {
    expect(faultsOf({ JWT_SECRET: '', JWT_SECRET_FILE: '/dev/zero' })).toEqual([
      expect.stringMatching(/^JWT_SECRET_FILE must be the path of a file of at most/),
    ]);
  });
});

describe('the .env file', () => {
  function load(content: string | Buffer): NodeJS.ProcessEnv {
    writeFileSync(join(cwd, '.env'), content);
    const env: NodeJS.ProcessEnv = {};
    loadDotenv(cwd, env);
    return env;
  }
  const refused = (content: string | Buffer) => faultsIn(() => load(content));

  it.each<[string, string | Buffer]>([
    ['with a byte order mark', '\uFEFFPORT=1\nHOST=::1\n'],
    ['with CRLF', 'PORT=1\r\nHOST=::1\r\n'],
    ['with export', 'export PORT=1\nexport HOST="::1"'],
    ['with spaces', ' PORT = 1 \n\tHOST=  ::1  # a comment'],
    ['with quotes', `PORT="1"\nHOST='::1'`],
    ['with comments', '# PORT=2\n#HOST=::2\nPORT=1 # of tests\nHOST=::1 #'],
    ['with other variables', 'MY-PORT=2\nPORTS=3\nA_HOST=x\nPORT=1\nHOST=::1\n'],
  ])('reads a .env file %s', (_, content) => {
    expect(load(content)).toMatchObject({ PORT: '1', HOST: '::1' });
  });

  it.each<[string, Buffer]>([
    ['UTF-16 with a mark, little endian', Buffer.from('\uFEFFPORT=1\n', 'utf16le')],
    ['UTF-16 with a mark, big endian', Buffer.from('\uFEFFPORT=1\n', 'utf16le').swap16()],
    ['UTF-16 without a mark', Buffer.from('PORT=1\n', 'utf16le')],
  ])('refuses a .env file in %s and names the encoding', (_, content) => {
    expect(refused(content)).toEqual(['.env must be a file in UTF-8, not in UTF-16']);
  });

  it('refuses a .env file with a zero byte, without calling it UTF-16', () => {
    const content = Buffer.from('PORT=1\nADMIN_PASSWORD=a quite long\0 pass phrase\n');
    expect(refused(content)).toEqual(['.env must be a text file without zero bytes']);
  });

  it('refuses a .env file in another encoding', () => {
    expect(refused(Buffer.from('ADMIN_PASSWORD=Schöner Satz\n', 'latin1'))).toEqual([
      '.env must be a file in UTF-8',
    ]);
  });

  it.each([
    'set JWT_SECRET=abc',
    '$env:JWT_SECRET="abc"',
    'JWT_SECRET:abc',
    '- JWT_SECRET=abc',
    'set JWT_SECRET_FILE=abc',
  ])('refuses a .env line that sets nothing and names the variable (%s)', (line) => {
    expect(refused(`PORT=1\n${line}\n`)).toEqual([
      expect.stringMatching(
        /^\.env must set JWT_SECRET(_FILE)? on a line of its own, as JWT_SECRET(_FILE)?=value$/,
      ),
    ]);
  });

  it.each(['JWT_SECRET=abc#def', 'JWT_SECRET=abc def#ghi'])(
    'with a value that ends at its # is refused (%s)',
    (line) => {
      expect(refused(`${line}\n`)).toEqual([expect.stringMatching(/^\.env must quote .*JWT_SECRET/)]);
    },
  );

  it('reads the path of a secret file from .env', () => {
    expect(load('JWT_SECRET_FILE=/run/secrets/jwt\n')).toEqual({ JWT_SECRET_FILE: '/run/secrets/jwt' });
  });
});
