// What the builds of the service and of the console share: a stamp says from which sources an output was made.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';

/** A hash over the names and the contents of everything at and below `paths`. What does not exist is left out. */
export function stampOf(root, paths) {
  const hash = createHash('sha256');
  for (const path of paths.flatMap((name) => filesOf(root, name))) {
    const content = fs.readFileSync(join(root, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function filesOf(root, path) {
  const entry = fs.statSync(join(root, path), { throwIfNoEntry: false });
  if (entry === undefined) return [];
  if (!entry.isDirectory()) return [path];
  const names = fs.readdirSync(join(root, path)).toSorted((a, b) => (a < b ? -1 : 1));
  return names.flatMap((name) => filesOf(root, `${path}/${name}`));
}

/** Whether the output `dist` has this stamp. */
export function hasStamp(dist, stamp) {
  return read(join(dist, '.stamp')) === stamp;
}

/** Puts the new output in the place of `dist`, by rename. */
export function replace(dist, next, stamp) {
  fs.writeFileSync(join(next, '.stamp'), stamp);
  const old = `${dist}.old-${process.pid}`;
  if (fs.existsSync(dist)) fs.renameSync(dist, old);
  fs.renameSync(next, dist);
  remove(old);
}

/** The text of a file; empty if it cannot be read. */
export function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

export function remove(path) {
  fs.rmSync(path, { recursive: true, force: true });
}
