import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { hasStamp, remove, replace, stampOf } from './build-output.mjs';

const CONSOLE = 'packages/console';
/** What the console is built from. The client is part of it. */
const SOURCES = ['index.html', 'package.json', 'public', 'src', 'vite.config.mjs'].map(
  (name) => `${CONSOLE}/${name}`,
);
const INPUTS = [...SOURCES, 'packages/client/src', 'scripts/build-console.mjs', 'scripts/build-output.mjs'];

/** Whether the `dist` of the console was built from its sources as they are now, or cannot be built here. */
export function isConsoleFresh(root) {
  const folder = join(root, CONSOLE);
  if (!fs.existsSync(join(folder, 'src'))) return true;
  return hasStamp(join(folder, 'dist'), stampOf(root, INPUTS)) || programOf(root) === undefined;
}

/**
 * Builds `packages/console/dist` if it is not up to date, in a process of its own: the service is compiled meanwhile. The new files take the
 * place of the old ones by rename. Without the console's packages there is no console, and one line says so. Throws if the build fails.
 *
 * @param {string} root the checkout
 * @param {(line: string) => void} log
 */
export async function buildConsole(root, log) {
  const folder = join(root, CONSOLE);
  if (!fs.existsSync(join(folder, 'src'))) return;
  const stamp = stampOf(root, INPUTS);
  if (hasStamp(join(folder, 'dist'), stamp)) return;
  const vite = programOf(root);
  if (vite === undefined) {
    log('the console is not built: its packages are not installed. Run npm ci --include=dev');
    return;
  }
  const next = join(folder, `dist.next-${process.pid}`);
  const args = [vite, 'build', folder, '--outDir', next, '--emptyOutDir', '--logLevel', 'error'];
  const { status, output } = await run(args, root);
  if (status !== 0) {
    remove(next);
    throw new Error(`the build of the console failed:\n${output.trim()}`);
  }
  replace(join(folder, 'dist'), next, stamp);
}

/** Vite's program, if everything that the console needs is installed. */
function programOf(root) {
  const folder = join(root, CONSOLE);
  const require = createRequire(join(folder, 'package.json'));
  try {
    const { devDependencies } = JSON.parse(fs.readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const name of Object.keys(devDependencies).filter((each) => !each.startsWith('@types/')))
      require.resolve(name);
    return join(require.resolve('vite/package.json'), '..', 'bin', 'vite.js');
  } catch {
    return undefined;
  }
}

function run(args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output }));
  });
}
