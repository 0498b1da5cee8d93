import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VARIABLES } from '../../../src/app.module.js';
import { environmentVariables } from '../../../src/config/environment.js';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const SETTINGS = new Set(environmentVariables(VARIABLES));

/** The rehearsal of v3.0 removes settings, and the pages of this release still name them. */
const HAS_TRANSITION = existsSync(join(ROOT, 'src', 'transition'));

/** The environment of a node in compose.yaml, up to the next section of the same depth. */
const COMPOSE = read('compose.yaml');
const NODE = /^ {2}environment:\n((?: {4}.*\n)+)/m.exec(COMPOSE)![1]!;

/** Variables that are no settings of Tandem. */
const OF_COMPOSE = ['POSTGRES_PASSWORD'];

describe('docs/operations/configuration.md', () => {
  const rows = read('docs/operations/configuration.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  const named = rows.flatMap((row) =>
    [...row.split('|')[1]!.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name!),
  );

  it('has every setting in its tables, once', () => {
    const known = HAS_TRANSITION ? named : named.filter((name) => SETTINGS.has(name));
    expect(known.toSorted()).toEqual([...SETTINGS].toSorted());
  });
});

describe('compose.yaml', () => {
  it('sets only variables that are settings', () => {
    const set = [...NODE.matchAll(/^ {4}([A-Z_]+):/gm)].map(([, name]) => name!);
    expect(set.length).toBeGreaterThan(5);
    expect(set.filter((name) => !SETTINGS.has(name))).toEqual([]);
  });

  it('passes every other setting of a .env file to the nodes', () => {
    expect(COMPOSE).toMatch(/^ {2}env_file:\n {4}- path: \.env\n {6}required: false\n/m);
  });

  it('takes only variables that docs/operations/deployment.md explains', () => {
    const taken = [...new Set([...COMPOSE.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name!))];
    const section = read('docs/operations/deployment.md')
      .split(/^## /m)
      .find((text) => text.startsWith('Example deployment'))!;
    const explained = section
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((row) => [...row.split('|')[1]!.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name!));
    const known = HAS_TRANSITION ? explained : explained.filter((name) => taken.includes(name));
    expect(taken.toSorted()).toEqual(known.toSorted());
    expect(taken.filter((name) => !SETTINGS.has(name) && !OF_COMPOSE.includes(name))).toEqual([]);
  });
});
