import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const ENDING = '.pem';
const OTHERS = 0o007;

/** A key file found in the folder. */
export interface KeyFile {
  readonly name: string;
  readonly pem: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** Whether everybody on the machine may read it. */
  readonly exposed: boolean;
}

/** A node's own copy of the key ring: one `<kid>.pem` for each key, readable by the service alone. */
export class KeyFiles {
  constructor(private readonly folder: string) {}

  /** The oldest first; none if there is no such folder. */
  async read(): Promise<KeyFile[]> {
    const names = await readdir(this.folder).catch(() => []);
    const files = names.filter((name) => name.endsWith(ENDING)).map((name) => this.readOne(name));
    return (await Promise.all(files)).toSorted((a, b) => a.modified - b.modified);
  }

  /** Makes the folder hold these keys and no others of the service's. Files that were put there by hand stay. */
  async sync(keys: ReadonlyMap<string, string>, gone: readonly string[]): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    for (const [kid, pem] of keys) await this.write(`${kid}${ENDING}`, pem);
    for (const kid of gone) await rm(join(this.folder, `${kid}${ENDING}`), { force: true });
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
