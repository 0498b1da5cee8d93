import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildConsole, isConsoleFresh } from './build-console.mjs';
import { hasStamp, read, remove, replace, stampOf } from './build-output.mjs';

const SOURCES = ['src', 'migrations', 'ormconfig.ts'];
/** The workspaces. Each `packages/<name>/src` is built to `packages/<name>/dist`. */
const PACKAGES = 'packages';
const SETTINGS = [
  '.swcrc',
  'nest-cli.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build-if-stale.mjs',
  'scripts/build-output.mjs',
];
const PATIENCE_MS = 120_000;

/**
 * Brings `dist` and the packages' `dist` up to date with the sources; does nothing if they are. Of several processes one builds and the others
 * wait. The build is made beside `dist` and takes its place by rename: what runs is never half built, and a node that
 * already runs keeps the modules it has loaded. Without sources (an image with only `dist` in it) `dist` is taken as it is.
 * Throws with one line when there is no way to an up-to-date `dist`.
 *
 * @param {string} root the checkout
 * @param {(line: string) => void} log
 */
export async function buildIfStale(root, log) {
  if (!fs.existsSync(join(root, 'src')) && fs.existsSync(join(root, 'dist', 'src', 'main.js'))) return;
  if (isFresh(root)) return;
  const unlock = await lock(join(root, 'node_modules', '.build-lock'));
  try {
    // Somebody else may have built while we waited.
    const wanted = fingerprint(root);
    removeLeftovers(join(root, PACKAGES, 'console'));
    const building = buildConsole(root, log);
    // A failure is reported when the service has been compiled.
    building.catch(() => undefined);
    if (!isBuiltFrom(root, wanted)) build(root, wanted, log);
    await building;
  } finally {
    unlock();
  }
}

/** Whether `dist`, the packages and the console were built from the sources as they are now. */
export function isFresh(root) {
  return isConsoleFresh(root) && isBuiltFrom(root, fingerprint(root));
}

function isBuiltFrom(root, wanted) {
  const built = ['dist', ...packagesOf(root).map((folder) => `${folder}/dist`)];
  return built.every((folder) => hasStamp(join(root, folder), wanted));
}

/** The packages with sources in TypeScript: `packages/client` and so on. */
function packagesOf(root) {
  if (!fs.existsSync(join(root, PACKAGES))) return [];
  const folders = fs.readdirSync(join(root, PACKAGES)).map((name) => `${PACKAGES}/${name}`);
  return folders.filter((folder) => fs.existsSync(join(root, folder, 'src', 'index.ts'))).toSorted();
}

/** A hash over the names and the contents of everything that the build is made from. */
function fingerprint(root) {
  const packages = packagesOf(root).flatMap((folder) => [`${folder}/package.json`, `${folder}/src`]);
  return stampOf(root, [...SOURCES, ...packages, ...SETTINGS]);
}

function build(root, stamp, log) {
  const compiler = join(root, 'node_modules', '@swc', 'cli', 'bin', 'swc.js');
  if (!fs.existsSync(compiler))
    throw new Error(
      'dist is out of date, and the compiler is not installed: it is a development dependency. Run npm ci --include=dev, ' +
        'or bring a dist that was built from these sources',
    );
  const started = performance.now();
  const packages = packagesOf(root);
  for (const folder of ['', ...packages]) removeLeftovers(join(root, folder));
  const next = join(root, `dist.next-${process.pid}`);
  const sources = [...SOURCES, ...packages.map((folder) => `${folder}/src`)];
  const args = [...sources, '--out-dir', next, '--config-file', '.swcrc', '--copy-files', '--quiet'];
  const { status, signal, error, stderr } = spawnSync(process.execPath, [compiler, ...args], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status !== 0) {
    remove(next);
    throw new Error(`the build failed:\n${stderr?.trim() || error?.message || signal}`);
  }
  for (const folder of packages) replace(join(root, folder, 'dist'), join(next, folder, 'src'), stamp);
  remove(join(next, PACKAGES));
  replace(join(root, 'dist'), next, stamp);
  log(`built in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** Deletes what a build that was interrupted left. */
function removeLeftovers(folder) {
  if (!fs.existsSync(folder)) return;
  for (const name of fs.readdirSync(folder)) {
    if (/^dist\.(next|old)-\d+$/.test(name)) remove(join(folder, name));
  }
}

/**
 * Waits for the build lock and returns what gives it back. A dead holder's lock is taken over. (In the worst case two
 * processes build at once, which the rename makes harmless: the last one stands, and both are complete.)
 */
async function lock(file) {
  const ours = `${process.pid} ${startOf(process.pid)}`;
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await delay(50)) {
    try {
      fs.writeFileSync(file, ours, { flag: 'wx' });
      return () => {
        if (read(file) === ours) remove(file);
      };
    } catch (error) {
      if (error.code !== 'EEXIST') throw new Error(`cannot build: ${error.message}`, { cause: error });
      if (isAbandoned(file)) remove(file);
    }
  }
  throw new Error(`another process builds without end (${file})`);
}

function isAbandoned(file) {
  const holder = read(file);
  const made = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  if (made === undefined) return false;
  if (holder === '') return Date.now() - made > 2_000;
  const [pid, started] = holder.split(' ');
  if (!exists(pid)) return true;
  const now = startOf(pid);
  return started !== '' && now !== '' && started !== now;
}

function exists(pid) {
  try {
    return process.kill(Number(pid), 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** When a process started, where the system says so: it tells a process from a later one with the same number. */
function startOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
