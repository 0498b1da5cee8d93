// `npm start`. With --build-only it only builds; with --admin it runs the command line. It must parse on Node 20: see `runOn`.
// The V8 flags of the npm script keep the heap small (docs/adr/0010-what-earns-its-place.md).
import { spawn, spawnSync } from 'node:child_process';
import nodeModule from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildIfStale } from './build-if-stale.mjs';
import { isNewEnough, whyNodeIsNeeded } from './node-needed.mjs';

// Not in every Node 20.
const { enableCompileCache, setSourceMapsSupport } = nodeModule;
const root = resolve(fileURLToPath(import.meta.url), '..', '..');

stopWithNpm();
if (isNewEnough(process.versions.node)) await start();
else await runOn(join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node'));

async function start() {
  const [option] = process.argv.slice(2);
  if (option === '--admin') enableCompileCache?.(join(root, 'node_modules', '.cache', 'tandem'));
  else prepareService();
  try {
    await buildIfStale(root, (line) => console.error(line));
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
  if (option === '--build-only') return;
  const [name, own] = option === '--admin' ? ['admin.cli.js', 2] : ['main.js', 1];
  const main = join(root, 'dist', 'src', name);
  process.argv.splice(1, own, main);
  await import(pathToFileURL(main).href);
}

function prepareService() {
  // Must be set before anything uses the pool: its four threads are too few for password hashes and signatures.
  process.env.UV_THREADPOOL_SIZE ??= '8';
  // Stack traces show TypeScript sources of the modules that are loaded from here on.
  setSourceMapsSupport?.(true, { nodeModules: false });
}

/**
 * If npm stops, the service stops. The npm script is `exec …`, so that npm's signals reach this process and not a shell (Windows has no
 * `exec` and runs what follows `||`). npm cannot forward SIGKILL, so this watches whether the parent process changes.
 */
function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 250);
  watch.unref();
}

/** The host's Node is too old. The one from the npm package `node` runs this script instead and receives our signals. */
async function runOn(node) {
  const shell = process.platform === 'win32';
  if (spawnSync(node, ['--version'], { shell }).status !== 0) {
    console.error(whyNodeIsNeeded(root, process.versions.node));
    process.exit(1);
  }
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit', shell });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 1;
    if (signal === null) return;
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
