import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { expect, it } from 'vitest';

const ENTRY = join(import.meta.dirname, '..', '..', '..', 'packages', 'client', 'src', 'index.ts');

it('the core of the client has at most 4.0 kB, minified and gzipped', async () => {
  const bundle = await rolldown({ input: ENTRY });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  expect(output.length).toBe(1);
  expect(output[0].imports).toEqual([]);
  expect(gzipSync(output[0].code, { level: 9 }).length).toBeLessThanOrEqual(4_000);
});
