import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const EXTENSION = '.pem';
/** Permissions of users outside the owner and the group. */
const OTHERS = 0o007;

/** A key file in the folder. */
export interface KeyFile {
  readonly name: string;
  readonly pem: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** Whether every user of the machine may read it. */
  readonly exposed: boolean;
}

/** A node's copy of the key ring: one `<kid>.pem` per key, readable by the service's user only. */
export class KeyFiles {
  constructor(private readonly folder: string) {}

  /** Sorted by age, oldest first. Empty if there is no such folder. */
  async read(): Promise<KeyFile[]> {
    const names = await readdir(this.folder).catch(() => []);
    const files = names.filter((name) => name.endsWith(EXTENSION)).map((name) => this.readOne(name));
    return (await Promise.all(files)).toSorted((a, b) => a.modified - b.modified);
  }

  /** Writes these keys (kid to PEM) and deletes the removed ones. Files that an operator put there stay. */
  async sync(keys: ReadonlyMap<string, string>, removed: readonly string[]): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    for (const [kid, pem] of keys) await this.write(`${kid}${EXTENSION}`, pem);
    for (const kid of removed) await rm(join(this.folder, `${kid}${EXTENSION}`), { force: true });
  }

  private async readOne(name: string): Promise<KeyFile> {
    const path = join(this.folder, name);
    const [pem, { mtimeMs, mode }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    return { name, pem, modified: mtimeMs, exposed: (mode & OTHERS) !== 0 };
  }

  private async write(name: string, pem: string): Promise<void> {
    const path = join(this.folder, name);
    const present = await readFile(path, 'utf8').catch(() => undefined);
    if (present === pem) return chmod(path, 0o600);
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    await writeFile(temporary, pem, { mode: 0o600 });
    await rename(temporary, path);
  }
}
