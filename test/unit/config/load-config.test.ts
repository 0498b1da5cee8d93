import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/config/config.js';
import { loadConfig } from '../../../src/config/load-config.js';

const cwd = mkdtempSync(join(tmpdir(), 'config-'));
afterAll(() => rmSync(cwd, { recursive: true }));

const load = (env: NodeJS.ProcessEnv = {}) => loadConfig({ JWT_SECRET: 'a secret', ...env }, cwd);

function faultsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    load(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
}

describe('the configuration', () => {
  it('has the documented defaults', () => {
    expect(load()).toEqual({
      production: false,
      port: 5000,
      host: '127.0.0.1',
      workers: 1,
      databaseUrl: undefined,
      databaseSchema: 'tandem',
      databasePoolSize: 20,
      dataDir: join(cwd, '.data'),
      jwtSecret: 'a secret',
      jwtSecretPrevious: undefined,
      keysDir: join(cwd, 'keys'),
      rsaModulusBits: 3072,
      tokenExpiry: 900,
      refreshTokenExpiry: 604_800,
      refreshFamilyExpiry: 2_592_000,
      refreshReuseGrace: 10,
      refreshLostResponseWindow: 86_400,
      jwtIssuer: undefined,
      pathPrefix: '',
      jwtAudience: 'api',
      corsOrigins: [],
      console: true,
      clockTolerance: 5,
      passwordMinLength: 15,
      authRateLimit: 10,
      authRateWindow: 60,
      auditRetentionDays: 365,
      trustProxy: undefined,
      adminRole: undefined,
      productMayMakeAdmins: false,
      adminUsername: undefined,
      adminPassword: undefined,
      logLevel: 'info',
    });
  });

  it('treats an empty variable as unset', () => {
    expect(load({ PORT: '', JWT_ISSUER: '', TRUST_PROXY: '', ADMIN_USERNAME: '' })).toEqual(load());
  });

  it('ignores unknown variables', () => {
    expect(load({ PATH: '/bin', __proto__: 'x', constructor: 'y' } as NodeJS.ProcessEnv)).toEqual(load());
  });

  it.each([
    ['PORT', '0', 'port', 0],
    ['HOST', '::1', 'host', '::1'],
    ['HOST', 'localhost', 'host', 'localhost'],
    ['DATABASE_URL', 'postgres://u:p@db:5432/x', 'databaseUrl', 'postgres://u:p@db:5432/x'],
    ['DATABASE_SCHEMA', 'auth_2', 'databaseSchema', 'auth_2'],
    ['DATABASE_POOL_SIZE', '5', 'databasePoolSize', 5],
    ['DATA_DIR', '/var/lib/tandem', 'dataDir', '/var/lib/tandem'],
    ['KEYS_DIR', 'k', 'keysDir', join(cwd, 'k')],
    ['JWT_SECRET', 'your-secret-key-here', 'jwtSecret', 'your-secret-key-here'],
    ['JWT_SECRET_PREVIOUS', 'x', 'jwtSecretPrevious', 'x'],
    ['RSA_MODULUS_BITS', '2048', 'rsaModulusBits', 2048],
    ['TOKEN_EXPIRY', '1', 'tokenExpiry', 1],
    ['REFRESH_REUSE_GRACE', '0', 'refreshReuseGrace', 0],
    ['REFRESH_LOST_RESPONSE_WINDOW', '0', 'refreshLostResponseWindow', 0],
    ['JWT_ISSUER', 'https://id.example.com/tandem', 'jwtIssuer', 'https://id.example.com/tandem'],
    ['JWT_ISSUER', 'https://id.example.com/tandem', 'pathPrefix', '/tandem'],
    ['JWT_ISSUER', 'https://id.example.com/a/b%20c/', 'pathPrefix', '/a/b%20c'],
    ['JWT_ISSUER', 'https://id.example.com/', 'pathPrefix', ''],
    ['JWT_ISSUER', 'https://id.example.com/a/../é"<', 'pathPrefix', '/%C3%A9%22%3C'],
    ['JWT_ISSUER', 'http://[::1]:5000', 'pathPrefix', ''],
    [
      'CORS_ORIGINS',
      'HTTPS://A.example:443, http://b:81/,https://a.example',
      'corsOrigins',
      ['https://a.example', 'http://b:81'],
    ],
    ['TRUST_PROXY', '2', 'trustProxy', 2],
    ['TRUST_PROXY', '10.0.0.0/8, ::1', 'trustProxy', ['10.0.0.0/8', '::1']],
    ['AUTH_RATE_LIMIT', '1000000000', 'authRateLimit', 1_000_000_000],
    ['AUDIT_RETENTION_DAYS', '0', 'auditRetentionDays', 0],
    ['LOG_LEVEL', 'silent', 'logLevel', 'silent'],
  ])('reads %s=%s', (name, value, property, expected) => {
    expect(load({ [name]: value })).toHaveProperty(property, expected);
  });

  it.each([
    ['NODE_ENV', 'prod', 'Production', ' production'],
    ['PORT', '65536', '-1', '12abc', '1e3', '0x10', ' 80', '80 ', '  ', '1.5', '+1', '080', '٣'],
    ['HOST', 'a b', '999.1.1.1', 'http://x', '-a', 'a..b', '[::1]'],
    [
      'DATABASE_URL',
      'localhost',
      'mysql://localhost/x',
      'postgresql://a:b c@d/e',
      'postgres://h:99999/x',
      'postgres://a,,b/x',
      'postgres://a,b/x?target_session_attrs=standby',
      'postgres://a,b/x?target_session_attrs=prefer-standby',
      'postgres://a/x?target_session_attrs=read-only',
      'postgres://a/x?target_session_attrs=readwrite',
      'postgres://a/x?sslmode=verify_full',
    ],
    ['DATA_DIR', ' ', 'a\nb'],
    ['KEYS_DIR', ' '],
    ['RSA_MODULUS_BITS', '1024', '3073', '2048.0'],
    ['TOKEN_EXPIRY', '0', '86401', '15m', '999999999999999999999'],
    ['REFRESH_TOKEN_EXPIRY', '0', '7d'],
    ['REFRESH_FAMILY_EXPIRY', '0', 'never'],
    ['REFRESH_REUSE_GRACE', '-1', '301'],
    ['REFRESH_LOST_RESPONSE_WINDOW', '-1', '86401'],
    [
      'JWT_ISSUER',
      'tandem',
      'ftp://a',
      'https://a?b',
      'https://a#b',
      'https://u:p@a',
      'https://',
      'https://a b',
    ],
    ['JWT_AUDIENCE', ' ', 'a\tb'],
    [
      'CORS_ORIGINS',
      '*',
      'null',
      'https://a/b',
      'https://a,',
      'a.example',
      'https://u@a',
      'https://a?',
      'https://*.a',
      'https:a',
      'https://a/b;c',
      'https://a/b&c',
      "https://a/b'c",
      'https://a/b,c',
      'https://a//b',
      'https://a/b//',
    ],
    ['CLOCK_TOLERANCE', '61', '5s'],
    ['PASSWORD_MIN_LENGTH', '0', '129'],
    ['AUTH_RATE_LIMIT', '0', '1000000001'],
    ['AUTH_RATE_WINDOW', '0', '86401'],
    ['AUDIT_RETENTION_DAYS', '-1', '36501'],
    [
      'TRUST_PROXY',
      '0',
      '101',
      'true',
      'proxy',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.1,',
      'fe80::1%eth0',
      '1.2.3.4/8/8',
      '10.0.0.0/',
      '0.0.0.0/0',
      '::/0',
      '10.0.0.0/0',
      '10.0.0.0/8, 0.0.0.0/0',
      '0.0.0.0/1,128.0.0.0/1',
      '128.0.0.0/1',
      '0.0.0.0/2,64.0.0.0/2,128.0.0.0/2,192.0.0.0/2',
      '::/1,8000::/1',
      '2000::/3',
      '2000::/4,3000::/4',
    ],
    ['LOG_LEVEL', 'verbose', 'INFO'],
  ])('refuses an invalid %s with one line that does not contain the value', (name, ...values) => {
    for (const value of values) {
      const faults = faultsOf({ [name]: value });
      expect(faults, value).toHaveLength(1);
      expect(faults[0], value).toMatch(new RegExp(`^${name} must [^\\n]+$`));
    }
  });

  it('says why it refuses a TRUST_PROXY that trusts everyone', () => {
    const everyIPv4 = Array.from({ length: 256 }, (_, index) => `${index}.0.0.0/8`).join();
    for (const value of ['0.0.0.0/0', '::/0', '0.0.0.0/1,128.0.0.0/1', everyIPv4, '::ffff:0:0/96'])
      expect(faultsOf({ TRUST_PROXY: value }), value).toEqual([
        expect.stringMatching(/^TRUST_PROXY must not trust everyone: any client could choose/),
      ]);
    for (const value of ['10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,::1', '2001:db8::/32', '1', '100'])
      expect(faultsOf({ TRUST_PROXY: value }), value).toEqual([]);
  });

  it('reports all errors at once, in the order of the documentation', () => {
    const faults = faultsOf({ LOG_LEVEL: 'loud', PORT: 'x', TOKEN_EXPIRY: 'y', ADMIN_PASSWORD: 'z' });
    expect(faults.map((line) => line.split(' ')[0])).toEqual([
      'PORT',
      'TOKEN_EXPIRY',
      'ADMIN_USERNAME',
      'LOG_LEVEL',
    ]);
  });

  it('takes any role but that of everybody as ADMIN_ROLE', () => {
    expect(load({ ADMIN_ROLE: 'shift-lead_2' }).adminRole).toBe('shift-lead_2');
    for (const ADMIN_ROLE of ['user', 'Admin', '2nd', 'a b', '_a', 'x'.repeat(33)])
      expect(faultsOf({ ADMIN_ROLE })).toEqual([expect.stringMatching(/^ADMIN_ROLE must/)]);
  });

  it('lets the product make administrators only if the setting is exactly true', () => {
    expect(load({ USERS_SOURCE_MAY_MAKE_ADMINS: 'true' }).productMayMakeAdmins).toBe(true);
    expect(load({ USERS_SOURCE_MAY_MAKE_ADMINS: 'false' }).productMayMakeAdmins).toBe(false);
    for (const value of ['yes', '1', 'TRUE'])
      expect(faultsOf({ USERS_SOURCE_MAY_MAKE_ADMINS: value })).toEqual([
        'USERS_SOURCE_MAY_MAKE_ADMINS must be true or false',
      ]);
  });

  it('requires both or neither of ADMIN_USERNAME and ADMIN_PASSWORD', () => {
    expect(load({ ADMIN_USERNAME: 'root', ADMIN_PASSWORD: 'p' })).toMatchObject({
      adminUsername: 'root',
      adminPassword: 'p',
    });
    expect(faultsOf({ ADMIN_USERNAME: 'root' })).toEqual([
      expect.stringMatching(/^ADMIN_PASSWORD must be set/),
    ]);
    expect(faultsOf({ ADMIN_PASSWORD: 'p' })).toEqual([expect.stringMatching(/^ADMIN_USERNAME must be set/)]);
  });

  it('parses a whole number exactly or refuses it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        const faults = faultsOf({ AUTH_RATE_LIMIT: text });
        if (faults.length === 0) expect(String(load({ AUTH_RATE_LIMIT: text }).authRateLimit)).toBe(text);
      }),
    );
  });

  it('throws only ConfigurationError for any value', () => {
    const names = ['JWT_ISSUER', 'CORS_ORIGINS', 'TRUST_PROXY', 'DATABASE_URL'];
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.string({ unit: 'binary' }), (name, value) => {
        for (const fault of faultsOf({ [name]: value })) expect(fault.startsWith(`${name} must `)).toBe(true);
      }),
    );
  });

  it('names the secret that cannot be stored because DATA_DIR is not a folder', () => {
    writeFileSync(join(cwd, 'file'), '');
    expect(faultsOf({ JWT_SECRET: '', DATA_DIR: 'file' })).toEqual([
      expect.stringMatching(/^JWT_SECRET must be set: .*DATA_DIR.*\(ENOTDIR|EEXIST\)$/),
    ]);
  });
});
