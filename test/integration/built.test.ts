import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isFresh } from '../../scripts/build-if-stale.mjs';

it('processes that tests start are built from the sources as they are now', () => {
  expect(isFresh(join(import.meta.dirname, '..', '..'))).toBe(true);
});
