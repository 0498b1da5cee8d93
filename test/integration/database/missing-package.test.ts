import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SOURCES = join(import.meta.dirname, '..', '..', '..', 'src', 'database', 'embedded');

/** Starts the embedded server from a copy of its sources. Node strips the types. */
const START = `
  import { registerHooks } from 'node:module';
  registerHooks({ resolve: (name, context, next) => next(name.replace(/^(\\..*)\\.js$/, '$1.ts'), context) });
  const { ensureEmbeddedPostgres } = await import(process.argv[1]);
  await ensureEmbeddedPostgres(process.argv[2], () => {}).catch((error) => {
    console.log(error.message);
    process.exit(3);
  });
`;

describe('the embedded PostgreSQL without its optional package', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-optional-'));
    await cp(SOURCES, join(folder, 'sources'), { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('refuses to start in one line that names DATABASE_URL and the package, and leaves no data folder', async () => {
    const data = await mkdtemp(join(tmpdir(), 'tandem-optional-data-'));
    const module = join(folder, 'sources', 'embedded-postgres.ts');
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', START, module, data]);
    await expect(run).rejects.toMatchObject({
      code: 3,
      stdout: expect.stringMatching(
        /^DATABASE_URL is not set, and the optional package embedded-postgres \(@embedded-postgres\/[\w-]+\) is not installed: [^\n]+\n$/,
      ),
    });
    expect(await readdir(data)).not.toContain('postgres');
    await rm(data, { recursive: true, force: true });
  });
});
