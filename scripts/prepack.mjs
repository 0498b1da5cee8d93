// What `npm pack` runs in a package first (`prepack`): builds the JavaScript and adds the type declarations.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildIfStale } from './build-if-stale.mjs';

const root = resolve(fileURLToPath(import.meta.url), '..', '..');

await buildIfStale(root, (line) => console.error(line));
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', process.cwd(), '--emitDeclarationOnly'], {
  stdio: ['ignore', 2, 2],
});
process.exitCode = status ?? 1;
