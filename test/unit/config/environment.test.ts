import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Test } from '@nestjs/testing';
import { parse } from 'dotenv';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VARIABLES } from '../../../src/app.module.js';
import { CONFIG } from '../../../src/config/config.js';
import { ConfigModule } from '../../../src/config/config.module.js';
import { loadDotenv } from '../../../src/config/dotenv.js';
import { environmentVariables } from '../../../src/config/environment.js';
import { loadConfig } from '../../../src/config/load-config.js';

/** Those of the contract that stay, the switch for the rules of production and the number of processes. */
const NAMES = `
  NODE_ENV PORT HOST WORKERS DATABASE_URL DATABASE_SCHEMA DATABASE_POOL_SIZE DATA_DIR
  JWT_SECRET JWT_SECRET_PREVIOUS KEYS_DIR RSA_MODULUS_BITS TOKEN_EXPIRY
  REFRESH_TOKEN_EXPIRY REFRESH_FAMILY_EXPIRY REFRESH_REUSE_GRACE REFRESH_LOST_RESPONSE_WINDOW JWT_ISSUER
  JWT_AUDIENCE CORS_ORIGINS CONSOLE CONSOLE_ORIGIN CLOCK_TOLERANCE PASSWORD_MIN_LENGTH AUTH_RATE_LIMIT
  AUTH_RATE_WINDOW AUDIT_RETENTION_DAYS TRUST_PROXY ADMIN_ROLE USERS_SOURCE_MAY_MAKE_ADMINS ADMIN_USERNAME ADMIN_PASSWORD WEBHOOK_URL
  WEBHOOK_SECRET LOG_LEVEL
`
  .trim()
  .split(/\s+/);

const example = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dotenv-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the environment', () => {
  it('has exactly the variables of the contract', () => {
    expect(environmentVariables()).toEqual(NAMES);
  });
});

describe('.env.example', () => {
  it('.env.example lists every variable once', () => {
    const named = [...example.matchAll(/^#([A-Z_]+)=/gm)].map((match) => match[1] ?? '');
    expect(named.toSorted()).toEqual(environmentVariables(VARIABLES).toSorted());
  });

  it('.env.example changes nothing when it is copied to .env', () => {
    expect(parse(example)).toEqual({});
  });

  it('.env.example shows the defaults, and valid values for variables without a default', () => {
    const secrets = { JWT_SECRET: 'a' };
    const { trustProxy, corsOrigins, consoleOrigin, databaseUrl, jwtIssuer, ...shown } = loadConfig(
      { ...parse(example.replaceAll(/^#(?=[A-Z_]+=)/gm, '')), ...secrets },
      folder,
    );
    expect(loadConfig(secrets, folder)).toMatchObject(shown);
    for (const form of [trustProxy, corsOrigins, consoleOrigin, databaseUrl, jwtIssuer])
      expect(form).toBeTruthy();
  });
});

describe('the .env file', () => {
  it('adds the variables of .env, overrides none and prints nothing', () => {
    const print = [vi.spyOn(console, 'log'), vi.spyOn(console, 'error'), vi.spyOn(process.stdout, 'write')];
    writeFileSync(join(folder, '.env'), 'PORT=1\nHOST="::1" # local\n');
    const env: NodeJS.ProcessEnv = { PORT: '2', DOTENV_CONFIG_DEBUG: 'true', DOTENV_CONFIG_OVERRIDE: 'true' };
    loadDotenv(folder, env);
    for (const spy of print) {
      expect(spy).not.toHaveBeenCalled();
      spy.mockRestore();
    }
    expect(env).toMatchObject({ PORT: '2', HOST: '::1' });
  });

  it('ignores a missing .env file', () => {
    const env = {};
    loadDotenv(folder, env);
    expect(env).toEqual({});
  });

  it('refuses an unreadable .env file', () => {
    mkdirSync(join(folder, '.env'));
    expect(() => loadDotenv(folder, {})).toThrow(/^\.env must be .*\(EISDIR\)$/);
  });
});

describe('ConfigModule', () => {
  it('provides the configuration as CONFIG', async () => {
    const config = loadConfig({ JWT_SECRET: 'a' }, folder);
    const module = await Test.createTestingModule({ imports: [ConfigModule.forRoot(config)] }).compile();
    expect(module.get(CONFIG)).toBe(config);
  });
});
