// Rehearses v3.0 in a copy: without the transition and its tests, with the one import changed and the one migration added,
// everything else has to build and pass. Changes nothing in the checkout.
//   node scripts/check-v3.mjs [--keep]     --keep leaves the copy, and says where it is
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(import.meta.url), '..', '..');
const MIGRATION = '1799000000000-remove-sessions.ts';
const IMPORT = { from: './transition/credentials.module.js', to: './auth/credentials.module.js' };

/** What v3.0 deletes beside the tests. */
const GONE = ['src/transition'];

const copy = fs.mkdtempSync(join(tmpdir(), 'tandem-v3-'));
// The embedded server runs as another user, who has to get at its folder.
fs.chmodSync(copy, 0o755);
let failed = false;
try {
  for (const path of tracked()) place(path);
  fs.symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir');
  remove();
  // Nothing but the build is needed to say what the documents say now.
  run('node', ['scripts/start.mjs', '--build-only']);
  run('node', ['dist/src/docs.cli.js']);
  run('prettier', ['--check', 'src', 'test', 'migrations', 'docs']);
  run('oxlint', ['--type-aware', '--deny-warnings']);
  run('tsc', ['--noEmit']);
  run('vitest', ['run', '--project', 'unit', '--project', 'integration', '--project', 'e2e*']);
} catch (error) {
  failed = true;
  console.error(`v3.0 would break: ${error.message}`);
} finally {
  if (process.argv.includes('--keep')) console.error(`the copy is ${copy}`);
  else fs.rmSync(copy, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

function tracked() {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return listed.split('\0').filter((path) => path !== '' && fs.existsSync(join(root, path)));
}

function place(path) {
  fs.mkdirSync(dirname(join(copy, path)), { recursive: true });
  fs.copyFileSync(join(root, path), join(copy, path));
}

function remove() {
  for (const path of GONE) fs.rmSync(join(copy, path), { recursive: true, force: true });
  for (const kind of fs.readdirSync(join(copy, 'test'))) {
    fs.rmSync(join(copy, 'test', kind, 'transition'), { recursive: true, force: true });
  }
  const file = join(copy, 'src', 'app.module.ts');
  const text = fs.readFileSync(file, 'utf8');
  if (text.split(IMPORT.from).length !== 2)
    throw new Error(`app.module.ts has no one import of ${IMPORT.from}`);
  fs.writeFileSync(file, text.replace(IMPORT.from, IMPORT.to));
  fs.renameSync(join(copy, 'scripts', 'v3', MIGRATION), join(copy, 'migrations', MIGRATION));
}

/** Programs of the checkout's packages, as npm scripts find them. */
function run(program, args) {
  console.log(`v3: ${program} ${args.join(' ')}`);
  const began = performance.now();
  const PATH = `${join(root, 'node_modules', '.bin')}:${process.env.PATH}`;
  const { status, signal, error } = spawnSync(program, args, {
    cwd: copy,
    env: { ...process.env, PATH },
    stdio: 'inherit',
    timeout: 15 * 60_000,
  });
  if (status !== 0) throw new Error(`${program} ended with ${error?.message ?? signal ?? status}`);
  console.log(`v3: ${program} took ${((performance.now() - began) / 1000).toFixed(0)} s`);
}
