// Rehearses v3.0 in a copy of the checkout. Without the transition, nothing of it may be left, everything else has to build and pass its
// tests, and the service has to start in production. Changes nothing in the checkout.
//   node scripts/check-v3.mjs [--without-tests] [--keep]
//     --without-tests   runs everything but the tests: a few minutes less
//     --keep            leaves the copy, and says where it is
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesIn, isRemoved, leftovers, removeTransition } from './v3/removal.mjs';
import { repeatedTests } from './v3/repeated-tests.mjs';

const root = resolve(fileURLToPath(import.meta.url), '..', '..');
const copy = fs.mkdtempSync(join(tmpdir(), 'tandem-v3-'));
// The embedded server runs as another user, who needs to read its folder.
fs.chmodSync(copy, 0o755);
let failed = false;
try {
  const files = tracked();
  for (const path of files) place(path);
  removeTransition(copy, files);
  linkPackages();
  const left = leftovers(root, copy, files, filesIn(copy));
  if (left.length > 0) throw new Error(`the transition is not one folder:\n${left.join('\n')}`);
  // The generated documents follow from the build.
  run('node', ['scripts/start.mjs', '--build-only']);
  run('node', ['dist/src/docs.cli.js']);
  run('node', ['scripts/console-types.mjs']);
  run('node', ['scripts/v3/start-in-production.mjs']);
  // The removal changes the form of no other file, and `npm run format:check` has checked the checkout.
  run('prettier', ['--check', ...changedIn(['src', 'packages', 'test', 'migrations', 'docs'])]);
  run('oxlint', ['--type-aware', '--deny-warnings']);
  run('tsc', ['--noEmit']);
  run('tsc', ['--noEmit', '-p', 'packages/console']);
  if (!process.argv.includes('--without-tests')) {
    const repeated = repeatedTests(root, copy, files);
    console.log(`v3: ${repeated.length} unit tests see nothing of the removal: npm test has run them`);
    const without = repeated.flatMap((path) => ['--exclude', path]);
    const projects = ['unit', 'integration', 'e2e*', 'browser'].flatMap((name) => ['--project', name]);
    run('vitest', ['run', ...projects, ...without]);
  }
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

/** The files below the folders of the copy that are not in the checkout or are different there. */
function changedIn(folders) {
  const same = (path) =>
    fs.existsSync(join(root, path)) &&
    fs.readFileSync(join(root, path)).equals(fs.readFileSync(join(copy, path)));
  return filesIn(copy).filter((path) => folders.includes(path.split('/')[0]) && !same(path));
}

/** Links the packages of the checkout into the copy, without those that v3.0 does not install. */
function linkPackages(scope = '') {
  const folder = join('node_modules', scope);
  fs.mkdirSync(join(copy, folder));
  for (const entry of fs.readdirSync(join(root, folder))) {
    const name = join(scope, entry);
    if (scope === '' && entry.startsWith('@')) linkPackages(entry);
    else if (!isRemoved(name))
      fs.symlinkSync(ownPackage(name) ?? join(root, folder, entry), join(copy, folder, entry));
  }
}

/** Where the copy has a package of its own workspaces: it builds them from its sources. */
function ownPackage(name) {
  const place = relative(root, fs.realpathSync(join(root, 'node_modules', name)));
  return place.startsWith('packages') ? join(copy, place) : undefined;
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
