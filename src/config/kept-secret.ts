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
  const kept = readSecret(path);
  if (kept !== undefined) return kept;
  // Apart, because the embedded PostgreSQL's own user has to get into the outer one.
  mkdirSync(dataDir, { recursive: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  publish(path, randomBytes(32).toString('base64url'));
  const made = readSecret(path);
  if (made === undefined) throw new Error(`${name} vanished while it was made`);
  return made;
}

function readSecret(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  if (!/^[\w-]{43}$/.test(text)) throw new Error('damaged');
  return text;
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

function writeSynced(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
