import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  ADVISORY_LOCKS,
  lockForTransaction,
  tryLockForSession,
  tryLockForTransaction,
  unlockSession,
} from '../../../src/database/advisory-locks.js';
import type { AdvisoryLock } from '../../../src/database/advisory-locks.js';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const OWN_FILE = join('src', 'database', 'advisory-locks.ts');

const names = Object.keys(ADVISORY_LOCKS) as AdvisoryLock[];

function sources(): string[] {
  return ['src', 'migrations', 'scripts']
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(folder, name),
      ),
    )
    .filter((path) => /\.(?:[cm]?[jt]s|sql)$/.test(path) && path !== OWN_FILE);
}

describe('advisory locks', () => {
  it('gives each advisory lock its own number in the range of a bigint', () => {
    const numbers = names.map((name) => BigInt(ADVISORY_LOCKS[name]));
    expect(new Set(numbers).size).toBe(names.length);
    for (const number of numbers) expect(BigInt.asIntN(64, number)).toBe(number);
  });

  it.each(names)('uses only the number of %s in every statement', (name) => {
    const statements = [lockForTransaction, tryLockForTransaction, tryLockForSession, unlockSession];
    for (const statement of statements) expect(statement(name).match(/\d+/g)).toEqual([ADVISORY_LOCKS[name]]);
  });

  it('finds no other source that calls the lock functions or repeats a number', () => {
    const numbers = Object.values(ADVISORY_LOCKS);
    const offenders = sources().filter((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8').replaceAll('/advisory-locks.js', '');
      const digits = text.replaceAll(/(?<=\d)_(?=\d)/g, '');
      return (
        /advisory/i.test(text) ||
        numbers.some((number) => new RegExp(`(?<!\\d)${number}(?!\\d)`).test(digits))
      );
    });
    expect(offenders).toEqual([]);
  });
});
