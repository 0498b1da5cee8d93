import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isFresh } from '../../scripts/build-if-stale.mjs';

it('the build that tests start is up to date with the sources', () => {
  expect(isFresh(join(import.meta.dirname, '..', '..'))).toBe(true);
});
