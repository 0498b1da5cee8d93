import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { openSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TEST_SECRET } from '../helpers/app.js';
import { runHere } from '../helpers/command-here.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { INHERITED } from '../helpers/inherited-environment.js';

const ROOT = join(import.meta.dirname, '..', '..');
const BCRYPT = '$2b$04$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.';

let db: TestDatabase;
let folder: string;
let env: Record<string, string>;
beforeAll(async () => {
  db = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tandem-output-'));
  env = {
    DATABASE_URL: db.url,
    DATA_DIR: join(folder, 'data'),
    KEYS_DIR: join(folder, 'keys'),
    JWT_SECRET: TEST_SECRET,
    RSA_MODULUS_BITS: '2048',
    PORT: '0',
  };
});
afterAll(async () => {
  await db.drop();
  await rm(folder, { recursive: true, force: true });
});

const PROGRAMS: readonly (readonly [string, string, readonly string[]])[] = [
  ['audit list', 'admin.cli.js', ['audit', 'list']],
  ['audit export', 'admin.cli.js', ['audit', 'export']],
  ['keys list', 'admin.cli.js', ['keys', 'list', '--json']],
];

/** Runs a program on the given stdout; says the exit code and what was on stderr. */
async function run(script: string, args: readonly string[], stdout: 'pipe' | number) {
  const child = spawn(process.execPath, [join(ROOT, 'dist/src', script), ...args], {
    cwd: folder,
    env: { ...INHERITED, ...env },
    stdio: ['ignore', stdout, 'pipe'],
  });
  // As `head` does when it has seen enough, but before the first byte.
  child.stdout?.destroy();
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [err, [code]] = await Promise.all([text(child.stderr!), closed]);
  return { code, err };
}

describe('a program whose output cannot be written', () => {
  it.each(PROGRAMS)(
    '%s writes nothing and exits with 0 if the reader has closed the output',
    async (_, script, args) => {
      const { code, err } = await run(script, args, 'pipe');
      expect(err).not.toMatch(/EPIPE|Error|at /);
      expect(code).toBe(0);
    },
  );

  it.each(PROGRAMS)('%s says so and exits with 1 if the disk is full', async (_, script, args) => {
    const full = openSync('/dev/full', 'w');
    try {
      const { code, err } = await run(script, args, full);
      expect(err).toContain('ENOSPC');
      expect(code).toBe(1);
    } finally {
      closeSync(full);
    }
  });
});

describe('an import', () => {
  const HEADER = 'username,password_hash\n';
  const latin1 = (content: string) => Buffer.from(content, 'latin1');

  it.each([
    ['a header alone', Buffer.from(HEADER), 'no rows'],
    ['a header and blank lines', Buffer.from(`${HEADER}\n\n`), 'no rows'],
    ['UTF-16 with a mark', Buffer.from(`\uFEFF${HEADER}a,${BCRYPT}\n`, 'utf16le'), 'UTF-16'],
    ['UTF-16 without a mark', Buffer.from(`${HEADER}a,${BCRYPT}\n`, 'utf16le'), 'UTF-16'],
    ['Latin-1', latin1(`${HEADER}jörg,${BCRYPT}\n`), 'not in UTF-8'],
    ['Latin-1 after other rows', latin1(`${HEADER}one,${BCRYPT}\njörg,${BCRYPT}\n`), 'not in UTF-8'],
    ['rows none of which is good', Buffer.from(`${HEADER}two,md5\n`), 'No row was imported'],
  ])('exits with 1 and says why for a file of %s', async (_, content, why) => {
    const file = join(folder, 'users.csv');
    await writeFile(file, content);
    const { code, err } = await runHere(['import', file], env);
    expect(err).toContain(why);
    expect(code).toBe(1);
  });

  it('exits with 0 if it imported rows, even if it rejected others', async () => {
    const file = join(folder, 'users.csv');
    await writeFile(file, `${HEADER}three,${BCRYPT}\nfour,md5\n`);
    expect(await runHere(['import', file], env)).toMatchObject({ code: 0, err: '' });
  });
});

describe('the text of audit list', () => {
  it('has a column for the login that an event is about', async () => {
    const { out } = await runHere(['audit', 'list'], env);
    expect(out.split('\n', 1)[0]!.trim().split(/\s+/)).toContain('sid');
  });
});
