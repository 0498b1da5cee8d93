import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NodeProcess } from '../helpers/node-process.js';

const ROOT = join(import.meta.dirname, '..', '..');
const PACKAGE = join(ROOT, 'packages', 'client');
const run = promisify(execFile);

/** A program of the repository's packages. Rejects with its output if it fails. */
function tool(name: string, args: readonly string[], cwd = ROOT): Promise<{ stdout: string }> {
  const PATH = `${join(ROOT, 'node_modules', '.bin')}:${process.env['PATH']}`;
  return run(name, args, { cwd, env: { ...process.env, PATH }, maxBuffer: 1 << 24 });
}

describe('the package @tandem-auth/client as npm packs it', { timeout: 240_000 }, () => {
  let folder: string;
  let tarball: string;
  let product: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-package-'));
    const { stdout } = await tool('npm', ['pack', '--json', '--pack-destination', folder], PACKAGE);
    const packed = JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as unknown;
    const [{ filename }] = Object.values(packed as object) as [{ filename: string }];
    tarball = join(folder, filename);
    product = join(folder, 'product');
    await mkdir(product);
    await writeFile(join(product, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    // Offline: a package with a dependency could not be installed.
    await tool(
      'npm',
      ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball],
      product,
    );
  }, 240_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is what publint and are-the-types-wrong want', async () => {
    await tool('publint', ['--strict', tarball]);
    await tool('attw', [tarball, '--profile', 'esm-only', '--no-emoji']);
  });

  it('contains the built files with their types and depends on nothing', async () => {
    const { stdout } = await tool('tar', ['tzf', tarball]);
    const files = stdout.trim().split('\n');
    expect(
      files.filter((name) => !/^package\/(dist\/[\w-]+\.(js|js\.map|d\.ts)|\w+(\.\w+)?)$/.test(name)),
    ).toEqual([]);
    for (const entry of ['index', 'axios', 'react']) {
      expect(files).toContain(`package/dist/${entry}.js`);
      expect(files).toContain(`package/dist/${entry}.d.ts`);
    }
    expect(files).toEqual(expect.arrayContaining(['package/README.md', 'package/LICENSE']));
    const installed = join(product, 'node_modules', '@tandem-auth', 'client');
    const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as object;
    expect(manifest).not.toHaveProperty('dependencies');
  });

  it('type-checks in a project without the types of Node, and in one without those of the DOM', async () => {
    const program = `import { AuthError, createAuthClient } from '@tandem-auth/client';
      import type { AuthClient, AuthState } from '@tandem-auth/client';
      const client: AuthClient = createAuthClient({ baseUrl: 'https://auth.example', storage: new Map() as never });
      const state: AuthState = client.state;
      client.on('state', (next) => void (next satisfies AuthState))();
      client.fetch('/api').then((answer) => answer.status satisfies number, (error: unknown) => error instanceof AuthError);
      state satisfies string;\n`;
    await writeFile(join(product, 'program.ts'), program);
    const base = ['program.ts', '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022'];
    await tool('tsc', [...base, '--lib', 'es2022,dom'], product);
    const types = ['--typeRoots', join(ROOT, 'node_modules', '@types'), '--types', 'node'];
    await tool('tsc', [...base, '--lib', 'es2022', ...types, '--skipLibCheck'], product);
  });

  it('logs in, calls the API and logs out from outside this repository', async () => {
    const node = await NodeProcess.start({});
    try {
      const program = `import { createAuthClient } from '@tandem-auth/client';
        const client = createAuthClient({ baseUrl: process.argv[2] });
        await client.login({ username: 'test', password: 'test123' });
        const { username } = await (await client.fetch('/api/users/me')).json();
        await client.logout();
        console.log(username, client.state);\n`;
      await writeFile(join(product, 'program.mjs'), program);
      const { stdout } = await run(process.execPath, ['program.mjs', node.url], { cwd: product });
      expect(stdout).toBe('test signed-out\n');
    } finally {
      await node.remove();
    }
  });
});
