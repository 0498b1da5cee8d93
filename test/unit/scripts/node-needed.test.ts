import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface NodeNeeded {
  readonly isNewEnough: (version: string) => boolean;
  readonly whyNodeIsNeeded: (root: string, version: string) => string;
}

const { isNewEnough, whyNodeIsNeeded } = (await import(
  new URL('../../../scripts/node-needed.mjs', import.meta.url).href
)) as NodeNeeded;

describe('the Node that npm start needs', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tandem-checkout-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('is 22.12 or newer', () => {
    expect(['22.12.0', '22.20.1', '23.0.0', '24.21.0'].filter(isNewEnough)).toHaveLength(4);
    expect(['20.19.5', '22.11.0', '18.0.0'].filter(isNewEnough)).toEqual([]);
  });

  it.each([
    ['nothing was installed', [], /Run npm ci/],
    [
      'development dependencies were left out',
      ['node_modules/fastify'],
      /development dependency \(--omit=dev or NODE_ENV=production\): install Node 24, or run npm ci --include=dev/,
    ],
    ['install scripts were off', ['node_modules/node'], /npm ci with install scripts on, or install Node 24/],
  ])('is missing for the reason that %s, and the message says so in one line', (_, folders, reason) => {
    for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
    const message = whyNodeIsNeeded(root, '20.19.5');
    expect(message).toMatch(/^Node 22\.12 or newer is needed, and this is 20\.19\.5\. [^\n]+$/);
    expect(message).toMatch(reason);
  });
});
