import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TEST_SECRET } from '../helpers/app.js';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { INHERITED } from '../helpers/inherited-environment.js';

const ROOT = join(import.meta.dirname, '..', '..');
const BCRYPT = '$2b$04$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.';
const ROWS = 100_000;
/** Every thousandth row has a hash of a kind that nobody knows. */
const BAD = ROWS / 1_000;

/** For all of them, in milliseconds; a machine with nothing else to do needs a small part of it. */
const PATIENCE = 300_000;

/** Of the runs that are interrupted. */
const FEWER = 20_000;

describe('npm run admin -- import', () => {
  let db: TestDatabase;
  let folder: string;
  let file: string;
  let smaller: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-import-'));
    const rows = Array.from({ length: ROWS }, (_, i) =>
      [`user-${i}`, i % 1_000 === 7 ? 'md5' : BCRYPT, `user-${i}@example.com`, 'user', i].join(','),
    );
    const write = async (name: string, count: number) => {
      const header = 'username,password_hash,email,role,id';
      await writeFile(join(folder, name), [header, ...rows.slice(0, count), ''].join('\n'));
      return join(folder, name);
    };
    file = await write('users.csv', ROWS);
    smaller = await write('fewer.csv', FEWER);
  });
  beforeEach(async () => {
    db = await createTestDatabase();
    return () => db.drop();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  function start(...args: string[]): ChildProcess {
    return spawn(
      process.execPath,
      ['--max-old-space-size=96', join(ROOT, 'dist/src/admin.cli.js'), ...args],
      {
        cwd: folder,
        env: {
          ...INHERITED,
          DATABASE_URL: db.url,
          DATA_DIR: join(folder, 'data'),
          KEYS_DIR: join(folder, 'keys'),
          JWT_SECRET: TEST_SECRET,
          RSA_MODULUS_BITS: '2048',
        },
      },
    );
  }
  async function run(child: ChildProcess) {
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    const [out, err, [code, signal]] = await Promise.all([text(child.stdout!), text(child.stderr!), closed]);
    return { out, err, end: code ?? signal };
  }
  const count = async () => Number((await db.database.query('SELECT count(*) AS n FROM users'))[0]!['n']);

  it(
    'imports 100,000 rows in one run, in little memory, and reports each rejected row',
    { timeout: PATIENCE },
    async () => {
      const report = join(folder, 'report.jsonl');
      const began = performance.now();
      const { out, end } = await run(start('import', file, '--json', '--report', report));
      const seconds = (performance.now() - began) / 1_000;
      expect(end).toBe(0);
      const result = JSON.parse(out) as Record<string, unknown>;
      expect(result).toMatchObject({ created: ROWS - BAD, unchanged: 0, kept: 0, rejected: BAD });
      expect(await count()).toBe(ROWS - BAD);
      const lines = (await readFile(report, 'utf8')).trimEnd().split('\n');
      expect(lines).toHaveLength(BAD);
      expect(JSON.parse(lines[0]!)).toEqual({
        line: 9,
        reason: 'password_hash has an unknown format or is incomplete',
      });
      process.stderr.write(`import: ${Math.round(ROWS / seconds)} rows/s\n`);
    },
  );

  it('imports every user once if it is repeated after a kill in the middle', async () => {
    for (const signal of ['SIGKILL', 'SIGINT'] as const) {
      const child = start('import', smaller);
      const ended = run(child);
      const before = await count();
      await until(async () => (await count()) > before, 60_000);
      child.kill(signal);
      expect((await ended).end).toBe(signal === 'SIGINT' ? 130 : 'SIGKILL');
      const there = await count();
      expect(there).toBeGreaterThan(before);
      expect(there).toBeLessThan(FEWER - FEWER / 1_000);
    }
    const there = await count();
    const { out } = await run(start('import', smaller, '--json'));
    expect(JSON.parse(out)).toMatchObject({
      created: FEWER - FEWER / 1_000 - there,
      unchanged: there,
      rejected: FEWER / 1_000,
    });
    expect(await count()).toBe(FEWER - FEWER / 1_000);
  });

  it('reads stdin, tells a person what it skipped, and refuses what is no file', async () => {
    const child = start('import', '-');
    const ended = run(child);
    child.stdin!.end(`username,password_hash\nada,${BCRYPT}\nbob,secret-looking\n`);
    expect(await ended).toMatchObject({
      end: 0,
      err: expect.not.stringContaining('secret-looking'),
      out:
        'line 3: password_hash has an unknown format or is incomplete\n' +
        '1 created, 0 unchanged, 0 existing with a different password, 1 rejected\n',
    });
    expect(await run(start('import', join(folder, 'nothing.csv')))).toMatchObject({ end: 1, out: '' });
    expect(await run(start('import', folder))).toMatchObject({
      end: 1,
      err: expect.stringContaining('a folder'),
    });
    expect(await run(start('import'))).toMatchObject({ end: 2 });
    expect(await count()).toBe(1);
  });
});
