import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface NodeNeeded {
  readonly isNewEnough: (version: string) => boolean;
  readonly whyNodeIsNeeded: (root: string, version: string) => string;
}

const ROOT = join(import.meta.dirname, '..', '..', '..');
const { subset } = createRequire(import.meta.url)('semver') as {
  subset: (inner: string, outer: string) => boolean;
};

const { isNewEnough, whyNodeIsNeeded } = (await import(
  new URL('../../../scripts/node-needed.mjs', import.meta.url).href
)) as NodeNeeded;

describe('the Node that npm start needs', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tandem-checkout-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('is one that all dependencies support', () => {
    expect(['22.22.3', '22.23.0', '24.15.0', '24.21.0', '26.0.0'].filter(isNewEnough)).toHaveLength(5);
    expect(['20.19.5', '22.12.0', '22.22.2', '23.11.0', '24.14.9'].filter(isNewEnough)).toEqual([]);
  });

  it('is inside the engines of every dependency, so that npm ci prints no warning', () => {
    const read = (file: string): unknown => JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
    const { engines } = read('package.json') as { engines: { node: string } };
    const { packages } = read('package-lock.json') as {
      packages: Record<string, { engines?: { node?: string }; deprecated?: string }>;
    };
    const refusing = Object.entries(packages).filter(
      ([, { engines: { node = '*' } = {}, deprecated }]) =>
        deprecated !== undefined || !subset(engines.node, node),
    );
    expect(refusing.map(([path]) => path)).toEqual([]);
  });

  it.each([
    ['nothing was installed', [], /Run npm ci/],
    [
      'development dependencies were left out',
      ['node_modules/fastify'],
      /development dependency \(--omit=dev or NODE_ENV=production\): install Node 24, or run npm ci --include=dev/,
    ],
    ['install scripts were off', ['node_modules/node'], /npm ci with install scripts on, or install Node 24/],
  ])('is missing because %s, and the message says so in one line', (_, folders, reason) => {
    for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
    const message = whyNodeIsNeeded(root, '20.19.5');
    expect(message).toMatch(
      /^Tandem needs Node \^22\.22\.3 \|\| \^24\.15\.0, and this is 20\.19\.5\. [^\n]+$/,
    );
    expect(message).toMatch(reason);
  });
});
