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
 * Reads the secret from `<dataDir>/secrets/<name>`. Creates one of 256 bits first if there is none.
 *
 * Processes that start at the same time all return the same secret. It is on disk by then, and only its owner can read it. Throws
 * file system errors, and an error if the file is damaged.
 */
export function ensureStoredSecret(dataDir: string, name: string): string {
  const folder = join(dataDir, 'secrets');
  const path = join(folder, name);
  const existing = readStoredSecret(dataDir, name);
  if (existing !== undefined) return existing;
  // In two steps, because the user of the embedded PostgreSQL must be able to enter the outer folder.
  mkdirSync(dataDir, { recursive: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  createAtomically(path, randomBytes(32).toString('base64url'));
  const created = readStoredSecret(dataDir, name);
  if (created === undefined) throw new Error(`${name} was deleted while it was being created`);
  return created;
}

/** Reads the secret that {@link ensureStoredSecret} created; undefined if there is none. Throws the same errors. */
export function readStoredSecret(dataDir: string, name: string): string | undefined {
  const text = readSecretFile(join(dataDir, 'secrets', name))?.trim();
  if (text !== undefined && !/^[\w-]{43}$/.test(text)) throw new Error('damaged');
  return text;
}

/** The text of a file; undefined if the file or its folder does not exist. */
export function readSecretFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Creates the file atomically: links to a complete file, which fails if the name exists. Then the existing file stays. */
function createAtomically(path: string, secret: string): void {
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

/** Writes a new file that only its owner can read, and waits until it is on disk. */
export function writeSynced(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
