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

describe('the secrets made outside production', () => {
  it('are of 256 bits and are the same at the next start', () => {
    const first = loadConfig({}, folder);
    expect(Buffer.from(first.jwtSecret, 'base64url')).toHaveLength(32);
    expect(loadConfig({}, folder)).toEqual(first);
  });

  it('are readable by their owner alone, and leave DATA_DIR itself open to the database', () => {
    loadConfig({}, folder);
    const secrets = join(folder, '.data', 'secrets');
    expect(readdirSync(secrets).toSorted()).toEqual(['jwt-secret']);
    for (const name of readdirSync(secrets)) expect(statSync(join(secrets, name)).mode & 0o777).toBe(0o600);
    expect(statSync(secrets).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, '.data')).mode & 0o700).toBe(0o700);
  });

  it('are not made when they are given', () => {
    loadConfig({ JWT_SECRET: 'a' }, folder);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('are refused rather than replaced when their file is damaged', () => {
    mkdirSync(join(folder, '.data', 'secrets'), { recursive: true });
    writeFileSync(join(folder, '.data', 'secrets', 'jwt-secret'), '');
    expect(() => loadConfig({}, folder)).toThrow(
      /^JWT_SECRET must be set: .*secrets\/jwt-secret \(damaged\)$/,
    );
  });

  it('are one and the same for processes that start at once', async () => {
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
