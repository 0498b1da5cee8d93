import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/config/config.js';
import { Environment } from '../../../src/config/environment.js';
import { storeSettings } from '../../../src/config/stored-settings.js';
import { loadCommandConfig, loadConfig } from '../../../src/config/load-config.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settings-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://127.0.0.1/tandem',
  JWT_SECRET: 'b3JkaW5hcnktdGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ',
  JWT_ISSUER: 'https://api.example.com',
};

/** A start in `folder` that reached the key ring. */
function started(env: Readonly<Record<string, string>>): void {
  storeSettings(env, loadConfig(env, folder).dataDir, Environment, folder);
}

const faultsOf = (load: () => unknown): readonly string[] => {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
  throw new Error('it was not refused');
};

describe('the settings of a command outside production', () => {
  it('uses the settings of the last node unless the environment sets them', () => {
    const env = {
      JWT_SECRET: 'one',
      DATABASE_URL: 'postgresql://127.0.0.1/mine',
      PORT: '5001',
      KEYS_DIR: 'the-keys',
      TRUST_PROXY: '10.0.0.0/8',
    };
    started({ ...env, PORT: '5002' });
    started(env);
    expect(loadCommandConfig({}, folder)).toEqual(loadConfig(env, folder));
    expect(loadCommandConfig({ PORT: '6000', JWT_SECRET: 'three' }, folder)).toEqual(
      loadConfig({ ...env, PORT: '6000', JWT_SECRET: 'three' }, folder),
    );
    expect(readdirSync(join(folder, '.data', 'secrets'))).toEqual(['settings.json']);
  });

  it('stores the settings for the owner only, without the password of the first administrator', () => {
    started({ JWT_SECRET: 'one', ADMIN_USERNAME: 'root', ADMIN_PASSWORD: 'a phrase' });
    const secrets = join(folder, '.data', 'secrets');
    expect(statSync(secrets).mode & 0o777).toBe(0o700);
    expect(statSync(join(secrets, 'settings.json')).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(join(secrets, 'settings.json'), 'utf8'))).toEqual({
      JWT_SECRET: 'one',
    });
  });

  it('uses the secrets that a node created', () => {
    const node = loadConfig({}, folder);
    started({});
    expect(loadCommandConfig({}, folder)).toEqual(node);
  });

  it('ignores the settings of a node on another database', () => {
    started({ JWT_SECRET: 'one', PORT: '5001' });
    const elsewhere = { DATABASE_URL: 'postgresql://127.0.0.1/another' };
    expect(faultsOf(() => loadCommandConfig(elsewhere, folder))).toEqual([
      expect.stringMatching(/^JWT_SECRET /),
    ]);
    expect(loadCommandConfig({ ...elsewhere, JWT_SECRET: 'three' }, folder).port).toBe(5000);
  });

  it('refuses to run without a secret and creates none', () => {
    expect(faultsOf(() => loadCommandConfig({}, folder))).toEqual([
      'JWT_SECRET must be set: no node has stored a secret in DATA_DIR. Start the service once, or set JWT_SECRET',
    ]);
    expect(loadCommandConfig({ JWT_SECRET: 'given' }, folder).jwtSecret).toBe('given');
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(['', '{"JWT_SECRET": "one', '[', 'null'])('refuses a settings file that contains %j', (text) => {
    started({ JWT_SECRET: 'one' });
    writeFileSync(join(folder, '.data', 'secrets', 'settings.json'), text);
    const [fault, ...more] = faultsOf(() => loadCommandConfig({}, folder));
    expect(fault).toMatch(/^DATA_DIR contains secrets\/settings\.json, .*\(damaged\)/);
    expect(fault).not.toContain('one"');
    expect(more).toEqual([]);
  });
});

describe('the settings of a command in production', () => {
  it('uses only the environment in production', () => {
    started({
      JWT_SECRET: 'one',
      DATABASE_URL: PRODUCTION.DATABASE_URL,
      PORT: '5001',
    });
    expect(loadCommandConfig(PRODUCTION, folder)).toEqual(loadConfig(PRODUCTION, folder));
    expect(faultsOf(() => loadCommandConfig({ ...PRODUCTION, JWT_SECRET: '' }, folder))).toEqual([
      expect.stringMatching(/^JWT_SECRET /),
    ]);
  });
});

describe('the secrets of the next start', () => {
  it('starts with the secrets of the last node on the same database', () => {
    const env = { DATABASE_URL: 'postgresql://127.0.0.1/mine', JWT_SECRET: 'one' };
    started(env);
    const next = loadConfig({ DATABASE_URL: env.DATABASE_URL }, folder);
    expect(next.jwtSecret).toBe('one');
    expect(existsSync(join(folder, '.data', 'secrets', 'jwt-secret'))).toBe(false);
    expect(loadConfig({}, folder).jwtSecret).not.toBe('one');
  });
});
