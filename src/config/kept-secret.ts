import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * Reads the secret kept as `<dataDir>/secrets/<name>`, and makes one of 256 bits first if there is none.
 *
 * Of any number of processes that start at once one makes it and all return the same, which is on disk by then, readable
 * by its owner alone. Throws what the file system throws, and an error for a file that this function did not write.
 */
export function keptSecret(dataDir: string, name: string): string {
  const folder = join(dataDir, 'secrets');
  const path = join(folder, name);
  const kept = existingSecret(dataDir, name);
  if (kept !== undefined) return kept;
  // Apart, because the embedded PostgreSQL's own user has to get into the outer one.
  mkdirSync(dataDir, { recursive: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  publish(path, randomBytes(32).toString('base64url'));
  const made = existingSecret(dataDir, name);
  if (made === undefined) throw new Error(`${name} vanished while it was made`);
  return made;
}

/** The secret that {@link keptSecret} has made, if it has. Makes none. Throws the same errors. */
export function existingSecret(dataDir: string, name: string): string | undefined {
  const text = readSecretFile(join(dataDir, 'secrets', name))?.trim();
  if (text !== undefined && !/^[\w-]{43}$/.test(text)) throw new Error('damaged');
  return text;
}

/** The text of a file; undefined if there is none, also because its folder is none. */
export function readSecretFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Makes the file appear whole or not at all: a link to a finished file, which fails if the name is taken. */
function publish(path: string, secret: string): void {
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    writeSynced(draft, `${secret}\n`);
    linkSync(draft, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Writes a new file that its owner alone can read, and waits until it is on disk. */
export function writeSynced(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
