import { generateKeyPairSync } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calculateJwkThumbprint } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyFiles } from '../../../src/tokens/keys/key-files.js';
import { decryptKey, encryptKey, fingerprint, generateKey } from '../../../src/tokens/keys/key-material.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keys-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const modeOf = (name: string) => statSync(join(folder, name)).mode & 0o777;

describe('KeyFiles', () => {
  it('finds no keys if there is no folder', async () => {
    expect(await new KeyFiles(join(folder, 'none')).read()).toEqual([]);
  });

  it('writes a private file for each key, and deletes the files of removed keys', async () => {
    const files = new KeyFiles(join(folder, 'deep', 'keys'));
    await files.sync(
      new Map([
        ['a', 'A'],
        ['b', 'B'],
      ]),
      [],
    );
    expect((await files.read()).map(({ name, pem, exposed }) => [name, pem, exposed])).toEqual(
      expect.arrayContaining([
        ['a.pem', 'A', false],
        ['b.pem', 'B', false],
      ]),
    );
    await files.sync(new Map([['b', 'B2']]), ['a', 'never']);
    expect((await files.read()).map(({ name, pem }) => [name, pem])).toEqual([['b.pem', 'B2']]);
  });

  it('restores the mode of its own files, and leaves files that an operator put there', async () => {
    writeFileSync(join(folder, 'a.pem'), 'A', { mode: 0o644 });
    writeFileSync(join(folder, 'mine.pem'), 'M', { mode: 0o644 });
    writeFileSync(join(folder, 'README.md'), 'text');
    await new KeyFiles(folder).sync(new Map([['a', 'A']]), []);
    expect(modeOf('a.pem')).toBe(0o600);
    expect(readFileSync(join(folder, 'mine.pem'), 'utf8')).toBe('M');
    expect(readdirSync(folder).toSorted()).toEqual(['README.md', 'a.pem', 'mine.pem']);
  });

  it('reads the oldest file first, and marks files that every user may read', async () => {
    for (const [name, age] of [
      ['new', 0],
      ['old', 100],
    ] as const) {
      writeFileSync(join(folder, `${name}.pem`), name);
      utimesSync(join(folder, `${name}.pem`), 1_000 - age, 1_000 - age);
      chmodSync(join(folder, `${name}.pem`), name === 'old' ? 0o604 : 0o640);
    }
    const found = await new KeyFiles(folder).read();
    expect(found.map(({ name, exposed }) => [name, exposed])).toEqual([
      ['old.pem', true],
      ['new.pem', false],
    ]);
  });
});

describe('key material', () => {
  it('is encrypted with the secret, opens only with it, and is named by its RFC 7638 thumbprint', async () => {
    const stored = await generateKey(2048, 'the secret');
    expect(stored.privatePem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    expect(stored.kid).toBe(await calculateJwkThumbprint(stored.publicJwk as never));
    expect(Object.keys(stored.publicJwk).toSorted()).toEqual(['e', 'kty', 'n']);
    const key = decryptKey(stored.privatePem, 'the secret')!;
    expect(encryptKey(key, 'another').kid).toBe(stored.kid);
    expect(decryptKey(stored.privatePem, 'another')).toBeUndefined();
    expect(decryptKey('no key', 'the secret')).toBeUndefined();
  });

  it('must be an RSA key of at least 2048 bits', () => {
    const pem = { type: 'pkcs8', format: 'pem' } as const;
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export(pem).toString();
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pem).toString();
    const plain = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pem).toString();
    expect(decryptKey(weak, 's')).toBeUndefined();
    expect(decryptKey(curve, 's')).toBeUndefined();
    expect(decryptKey(plain, 's')?.asymmetricKeyType).toBe('rsa');
  });

  it('tells secrets apart by a fingerprint that is the same on every node', () => {
    expect(fingerprint('a')).toBe(fingerprint('a'));
    expect(fingerprint('a')).not.toBe(fingerprint('b'));
    expect(fingerprint('a')).toMatch(/^[0-9a-f]{32}$/);
  });
});
