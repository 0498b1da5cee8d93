// What `npm start` runs; with --build-only it ends after the build. Must parse on Node 20: see `runOn`.
import { spawn, spawnSync } from 'node:child_process';
import nodeModule from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildIfStale } from './build-if-stale.mjs';
import { isNewEnough, whyNodeIsNeeded } from './node-needed.mjs';

// Not in every 22.
const { setSourceMapsSupport } = nodeModule;
const root = resolve(fileURLToPath(import.meta.url), '..', '..');
// V8 would let its heap grow to three times what the service needs before it collects.
const HEAP_FLAGS = ['--max-semi-space-size=8', '--heap-growing-percent=25'];

endWithNpm();
if (isNewEnough(process.versions.node)) await start();
else await runOn(join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node'));

async function start() {
  // Before anything uses the pool: password hashing and signing would else queue behind its four threads.
  process.env.UV_THREADPOOL_SIZE ??= '8';
  // Stack traces in the words of the sources. It counts for modules loaded from here on.
  setSourceMapsSupport?.(true, { nodeModules: false });
  try {
    await buildIfStale(root, (line) => console.error(line));
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
  if (process.argv[2] === '--build-only') return;
  becomeWithFlags();
  const main = join(root, 'dist', 'src', 'main.js');
  process.argv.splice(1, 1, main);
  await import(pathToFileURL(main).href);
}

/** The same process, so that signals still reach it, with flags that count only from its beginning. */
function becomeWithFlags() {
  if (typeof process.execve !== 'function' || HEAP_FLAGS.every((flag) => process.execArgv.includes(flag)))
    return;
  const flags = [...process.execArgv, '--disable-warning=ExperimentalWarning', ...HEAP_FLAGS];
  process.execve(process.execPath, [process.execPath, ...flags, ...process.argv.slice(1)], process.env);
}

/**
 * Whoever ends `npm start` ends the service. Its script is `exec …`, so that npm's signals reach this process and no shell in
 * between (Windows knows no exec, and goes on behind the `||`); one that npm cannot pass on is seen by who the parent is.
 */
function endWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 250);
  watch.unref();
}

/** The host's Node is too old: the one from the npm package `node` runs this script instead, and gets our signals. */
async function runOn(node) {
  const shell = process.platform === 'win32';
  if (spawnSync(node, ['--version'], { shell }).status !== 0) {
    console.error(whyNodeIsNeeded(root, process.versions.node));
    process.exit(1);
  }
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit', shell });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 1;
    if (signal === null) return;
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
