import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureStoredSecret } from '../../../src/config/stored-secret.js';
import { loadConfig } from '../../../src/config/load-config.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('stored secrets outside production', () => {
  it('creates a secret of 256 bits and reads the same one at the next start', () => {
    const first = loadConfig({}, folder);
    expect(Buffer.from(first.jwtSecret, 'base64url')).toHaveLength(32);
    expect(loadConfig({}, folder)).toEqual(first);
  });

  it('lets only the owner read secrets, and lets the database enter DATA_DIR', () => {
    loadConfig({}, folder);
    const secrets = join(folder, '.data', 'secrets');
    expect(readdirSync(secrets).toSorted()).toEqual(['jwt-secret']);
    for (const name of readdirSync(secrets)) expect(statSync(join(secrets, name)).mode & 0o777).toBe(0o600);
    expect(statSync(secrets).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, '.data')).mode & 0o700).toBe(0o700);
  });

  it('creates no secret if the variable is set', () => {
    loadConfig({ JWT_SECRET: 'a' }, folder);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('refuses a damaged secret file instead of replacing it', () => {
    mkdirSync(join(folder, '.data', 'secrets'), { recursive: true });
    writeFileSync(join(folder, '.data', 'secrets', 'jwt-secret'), '');
    expect(() => loadConfig({}, folder)).toThrow(
      /^JWT_SECRET must be set: .*secrets\/jwt-secret \(damaged\)$/,
    );
  });

  it('returns the same secret to processes that start at the same time', async () => {
    const module = new URL('../../../src/config/stored-secret.ts', import.meta.url).href;
    const script = `const { ensureStoredSecret } = await import(${JSON.stringify(module)}); console.log(ensureStoredSecret(process.argv[1], 's'));`;
    const start = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, folder]);
    const answers = await Promise.all(Array.from({ length: 4 }, start));
    expect(new Set(answers.map((answer) => answer.stdout.trim()))).toEqual(
      new Set([ensureStoredSecret(folder, 's')]),
    );
    expect(readdirSync(join(folder, 'secrets'))).toEqual(['s']);
  });
});
