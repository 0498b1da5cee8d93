import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const BIN = join(ROOT, 'node_modules', '.bin');

/** Milliseconds for a command: the compiler takes some time on a busy machine. */
const PATIENCE = 240_000;

const execute = promisify(execFile);

/** Runs a program of the checkout. Rejects with everything that it wrote if it fails. */
export async function run(program: string, args: readonly string[], cwd = ROOT): Promise<string> {
  const env = { ...process.env, PATH: `${BIN}:${process.env['PATH']}` };
  try {
    const { stdout } = await execute(program, args, { cwd, env, timeout: PATIENCE, maxBuffer: 1 << 26 });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}

/** What `npm pack` makes of a package of this repository, outside it. */
export class PackedPackage {
  private constructor(
    readonly folder: string,
    /** The path of the tarball. */
    readonly tarball: string,
    readonly name: string,
  ) {}

  /** `name`: the folder below `packages/`. */
  static async of(name: string): Promise<PackedPackage> {
    const folder = await mkdtemp(join(tmpdir(), `tandem-${name}-`));
    await run('npm', ['pack', '--pack-destination', folder], join(ROOT, 'packages', name));
    const [file] = await readdir(folder);
    return new PackedPackage(folder, join(folder, file!), name);
  }

  /** The files in the tarball. */
  async files(): Promise<string[]> {
    const listed = await run('tar', ['-tzf', this.tarball]);
    return listed
      .trim()
      .split('\n')
      .map((path) => path.replace(/^package\//, ''));
  }

  /**
   * A new folder in which the package is installed beside others. `beside`: the names of packages and where in the checkout they are.
   */
  async installBeside(beside: Readonly<Record<string, string>>): Promise<string> {
    const project = await mkdtemp(join(this.folder, 'project-'));
    const home = join(project, 'node_modules', '@tandem-auth', this.name);
    await mkdir(home, { recursive: true });
    await run('tar', ['-xzf', this.tarball, '-C', home, '--strip-components=1']);
    for (const [name, place] of Object.entries(beside)) {
      const link = join(project, 'node_modules', name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(ROOT, place), link);
    }
    return project;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
