// What v3.0 removes from a copy of the checkout, and the proof that nothing of it is left.
import fs from 'node:fs';
import { join, relative } from 'node:path';

const FOLDERS = ['src/transition', 'packages/console/src/transition'];
const MIGRATION = '1799000000000-remove-sessions.ts';
/** The only imports of these folders, and what takes their place. */
const IMPORTS = [
  {
    file: 'src/app.module.ts',
    from: './transition/credentials.module.js',
    to: './auth/credentials.module.js',
  },
  { file: 'packages/console/src/app/installed.ts', from: '../transition/extension.js', to: './extension.js' },
];

/** The packages that only the transition uses. */
const DEPENDENCIES = JSON.parse(fs.readFileSync(new URL('./dependencies.json', import.meta.url), 'utf8'));

/** The settings that only the transition reads. */
const SETTING =
  /\b(?:SESSION_[A-Z]+|ROLLOUT_P[A-Z]+|SMTP_URL|REDIS_URL|MAIL_FROM|GUIDE_URL|USERS_SOURCE_(?:BY_[A-Z]+|URL)|PASSWORD_LOGIN)\b/;

/** The past of the database, what the tests of today set, the rehearsal itself, and the texts and the example that a release rewrites. */
const MAY_NAME_SETTINGS = /^(?:migrations|test|docs|examples|scripts\/v3)\/|^scripts\/check-v3\.mjs$|\.md$/;

const SOURCE = /\.(?:[cm]?[jt]s|tsx)$/;

const IMPORTED = /(?:\bfrom|\bimport|\brequire|\bimport\.meta\.resolve)\s*\(?\s*['"]([^'"\n]+)['"]/g;

/** Removes the transition with its tests, settings and packages; adds the migration that removes its tables. */
export function removeTransition(copy, files) {
  for (const folder of FOLDERS) fs.rmSync(join(copy, folder), { recursive: true });
  for (const kind of fs.readdirSync(join(copy, 'test'))) {
    fs.rmSync(join(copy, 'test', kind, 'transition'), { recursive: true, force: true });
  }
  // The alert rules and the dashboard of the transition.
  for (const path of files.filter((name) => /^deploy\/.*\/transition\.[^/]+$/.test(name)))
    fs.rmSync(join(copy, path));
  for (const { file, from, to } of IMPORTS) {
    edit(join(copy, file), (text) => {
      if (text.split(from).length !== 2) throw new Error(`${file} does not import ${from} once`);
      return text.replace(from, to);
    });
  }
  fs.renameSync(join(copy, 'scripts', 'v3', MIGRATION), join(copy, 'migrations', MIGRATION));
  // A section, or a line, that says that it is there until v3.0.
  edit(join(copy, '.env.example'), (text) =>
    text.replaceAll(/# --- [^\n]*until v3\.0 ---\n(?:(?!# --- ).*\n)*/g, ''),
  );
  const isLeft = (path) => fs.existsSync(join(copy, path));
  for (const file of files.filter((path) => /\.ya?ml$/.test(path) && isLeft(path))) {
    edit(join(copy, file), (text) => text.replaceAll(/^.*# until v3\.0\n/gm, ''));
  }
  for (const file of ['package.json', 'packages/console/package.json']) {
    edit(join(copy, file), (text) => {
      const manifest = JSON.parse(text);
      for (const [kind, names] of Object.entries(DEPENDENCIES))
        for (const name of names) delete manifest[kind]?.[name];
      return `${JSON.stringify(manifest, null, 2)}\n`;
    });
  }
}

/** Whether `name` is a package that v3.0 does not install. */
export function isRemoved(name) {
  return Object.values(DEPENDENCIES).some((names) => names.includes(name));
}

/** What is left of the transition, one line each. `before` and `after`: the files of the checkout and of the copy. */
export function leftovers(root, copy, before, after) {
  const found = [];
  for (const path of after) {
    const text = fs.readFileSync(join(copy, path), 'utf8');
    const setting = MAY_NAME_SETTINGS.test(path) ? undefined : SETTING.exec(text)?.[0];
    if (setting !== undefined) found.push(`${path} names the setting ${setting}`);
    if (!SOURCE.test(path)) continue;
    const imported = importsOf(text).find((name) => name.includes('/transition/'));
    if (imported !== undefined) found.push(`${path} imports ${imported}`);
  }
  const stillUsed = packagesIn(copy, after);
  const { dependencies, devDependencies } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'));
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    if (isRemoved(name) && stillUsed.has(name))
      found.push(`${name} is still used: scripts/v3/dependencies.json removes it`);
  }
  for (const name of packagesIn(root, before)) {
    if (stillUsed.has(name) || isRemoved(name) || !(name in { ...dependencies, ...devDependencies }))
      continue;
    found.push(`only the transition uses ${name}: scripts/v3/dependencies.json does not remove it`);
  }
  return found;
}

function packagesIn(folder, files) {
  const names = files
    .filter((path) => SOURCE.test(path))
    .flatMap((path) => importsOf(fs.readFileSync(join(folder, path), 'utf8')));
  return new Set(names.map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0]));
}

/** The names that a source imports. */
export function importsOf(text) {
  return [...text.matchAll(IMPORTED)].map(([, name]) => name);
}

function edit(path, change) {
  fs.writeFileSync(path, change(fs.readFileSync(path, 'utf8')));
}

/** The files below `folder`, without the installed packages and what is built. */
export function filesIn(folder, below = folder) {
  return fs.readdirSync(below, { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name);
    if (entry.isDirectory())
      return /^(?:node_modules|dist|\.git)$/.test(entry.name) ? [] : filesIn(folder, path);
    return [relative(folder, path)];
  });
}
