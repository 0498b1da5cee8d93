// Which unit tests the rehearsal of v3.0 need not repeat.
import fs from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { importsOf } from './removal.mjs';

/** Node's modules with which a test sees more than what it imports. */
const LOOKS_AROUND = /^node:(?:fs|child_process|module)\b/;

/**
 * The unit tests of the copy that would do the same there as in the checkout: every file that they import, directly or not, is the same
 * in both, and none of these looks at other files or starts a program. What such a test proves about the checkout it proves about v3.0.
 */
export function repeatedTests(root, copy, files) {
  return files
    .filter((path) => /^test\/unit\/.*\.test\.ts$/.test(path) && fs.existsSync(join(copy, path)))
    .filter((path) => seesTheSame(root, copy, path, new Set()));
}

function seesTheSame(root, copy, path, seen) {
  if (seen.has(path)) return true;
  seen.add(path);
  const text = read(copy, path);
  if (text === undefined || text !== read(root, path)) return false;
  return importsOf(text).every((name) => {
    if (LOOKS_AROUND.test(name)) return false;
    const imported = sourceOf(path, name);
    return imported === undefined || seesTheSame(root, copy, imported, seen);
  });
}

/** The file in the repository that an import means. Undefined: an installed package. vitest.config.ts has the same aliases. */
function sourceOf(path, name) {
  const [, own, entry = 'index'] = /^@tandem-auth\/(\w+)(?:\/(\w+))?$/.exec(name) ?? [];
  if (own !== undefined) return `packages/${own}/src/${entry}.ts`;
  if (!name.startsWith('.')) return undefined;
  return normalize(join(dirname(path), name)).replace(/(?<!\.d)\.js$/, '.ts');
}

function read(folder, path) {
  try {
    return fs.readFileSync(join(folder, path), 'utf8');
  } catch {
    return undefined;
  }
}
