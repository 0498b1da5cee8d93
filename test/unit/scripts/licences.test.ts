import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface Licences {
  readonly refusedLicences: (root: string) => string[];
}

const { refusedLicences } = (await import(
  new URL('../../../scripts/licences.mjs', import.meta.url).href
)) as Licences;

describe('npm run licences', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tandem-licences-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** Writes a lock file with one package, and the package unless it is not installed. */
  function withPackage(entry: object, installed: object | undefined): string[] {
    const lock = {
      packages: { '': { license: 'MIT' }, 'node_modules/some': { version: '1.0.0', ...entry } },
    };
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock));
    if (installed !== undefined) {
      mkdirSync(join(root, 'node_modules', 'some'), { recursive: true });
      const json = JSON.stringify({ version: '1.0.0', ...installed });
      writeFileSync(join(root, 'node_modules', 'some', 'package.json'), json);
    }
    return refusedLicences(root);
  }

  it.each([
    ['an identifier', { license: 'ISC' }],
    ['a choice', { license: '(GPL-3.0-only OR MIT)' }],
    ['two that apply together', { license: 'MIT AND BSD-3-Clause' }],
    ['the old form', { licenses: [{ type: 'MIT' }] }],
  ])('allows a permissive licence given as %s', (_form, installed) => {
    expect(withPackage({}, installed)).toEqual([]);
  });

  it.each([
    ['a copyleft licence', { license: 'AGPL-3.0-only' }, 'AGPL-3.0-only'],
    ['a pair with one that is not allowed', { license: 'MIT AND GPL-2.0-only' }, 'MIT AND GPL-2.0-only'],
    ['an unknown licence', { license: 'SEE LICENSE IN LICENSE.md' }, 'SEE LICENSE IN LICENSE.md'],
    ['a nested expression', { license: '(MIT AND (A OR B))' }, '(MIT AND (A OR B))'],
    ['no licence', {}, 'no licence'],
  ])('refuses %s and names the package', (_kind, installed, named) => {
    expect(withPackage({}, installed)).toEqual([`some@1.0.0: ${named}`]);
  });

  it('judges a package of another platform by the lock file', () => {
    expect(withPackage({ optional: true, license: 'MIT' }, undefined)).toEqual([]);
    expect(withPackage({ optional: true, license: 'UNLICENSED' }, undefined)).toEqual([
      'some@1.0.0: UNLICENSED',
    ]);
  });

  it('leaves development dependencies out', () => {
    expect(withPackage({ dev: true }, { license: 'UNLICENSED' })).toEqual([]);
  });

  it('allows every production dependency of this checkout', () => {
    expect(refusedLicences(join(import.meta.dirname, '..', '..', '..'))).toEqual([]);
  });
});
