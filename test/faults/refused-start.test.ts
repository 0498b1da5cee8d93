import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';
import type { NodeOptions } from '../helpers/node-process.js';

/** sysexits.h: EX_CONFIG. */
const EX_CONFIG = 78;

const begun: NodeProcess[] = [];

async function spawn(options: NodeOptions): Promise<NodeProcess> {
  const node = await NodeProcess.spawn(options);
  begun.push(node);
  return node;
}

afterEach(async () => {
  await Promise.all(begun.splice(0).map((node) => node.remove()));
});

describe('a start', () => {
  it('in production says on one line each what is missing, and nothing else', async () => {
    const node = await spawn({ env: { NODE_ENV: 'production', JWT_SECRET: '', PORT: 'many' } });
    expect(await node.exited).toBe(EX_CONFIG);
    const lines = node.output.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(new Set(lines.map((line) => line.split(' ')[0]))).toEqual(
      new Set(['DATABASE_URL', 'JWT_SECRET', 'PORT', 'SESSION_SECRET']),
    );
    expect(lines.every((line) => / takes /.test(line))).toBe(true);
  });

  it('in production refuses a secret that everybody knows', async () => {
    const secret = 'your-secret-key-here-your-secret-key-here';
    const node = await spawn({
      databaseUrl: 'postgresql://nobody@127.0.0.1:1/none',
      env: {
        NODE_ENV: 'production',
        JWT_SECRET: secret,
        SESSION_SECRET: 'a session secret of the old product',
      },
    });
    expect(await node.exited).toBe(EX_CONFIG);
    expect(node.output).toMatch(/^JWT_SECRET takes [^\n]*\n$/);
    expect(node.output).not.toContain(secret);
  });

  it('without the database that it was told to use ends in bounded time and gives away no password', async () => {
    const node = await spawn({ databaseUrl: 'postgresql://tandem:hunter2hunter2@127.0.0.1:1/none' });
    expect(await node.exited).toBe(1);
    expect(node.output).not.toContain('hunter2hunter2');
  });

  it('with another JWT_SECRET than the installation’s is refused and changes nothing', async () => {
    const db = await createTestDatabase();
    try {
      const first = await NodeProcess.start({ databaseUrl: db.url });
      begun.push(first);
      const before = await db.dataSource.query<unknown[]>('SELECT * FROM signing_keys');
      const second = await spawn({
        databaseUrl: db.url,
        env: { JWT_SECRET: 'another-secret-than-that-of-the-first-node' },
      });
      expect(await second.exited).not.toBe(0);
      expect(second.output).toMatch(/^JWT_SECRET is not the one/m);
      expect(await db.dataSource.query('SELECT * FROM signing_keys')).toEqual(before);
      expect(first.alive).toBe(true);
    } finally {
      await Promise.all(begun.splice(0).map((node) => node.remove()));
      await db.drop();
    }
  });
});

describe('the embedded database', () => {
  let folder: string;
  beforeAll(async () => {
    const first = await NodeProcess.start({ env: { ADMIN_USERNAME: '', ADMIN_PASSWORD: '' } });
    folder = first.folder;
    expect(await postmasterOf(folder)).toBeTypeOf('number');
    expect(await first.end()).toBe(0);
    expect(await postmasterOf(folder)).toBeUndefined();
    return () => first.remove();
  });

  it('ends with a start that is refused after it was started', async () => {
    const node = await NodeProcess.spawn({
      folder,
      env: { JWT_SECRET: 'another-secret-than-the-one-before' },
    });
    expect(await node.exited).not.toBe(0);
    expect(node.output).toContain('PostgreSQL started');
    expect(await postmasterOf(folder)).toBeUndefined();
  });

  it('ends with a start that is interrupted', async () => {
    const node = await NodeProcess.spawn({ folder });
    while (node.alive && !node.output.includes('PostgreSQL started')) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await node.end('SIGINT')).toBe(0);
    expect(await postmasterOf(folder)).toBeUndefined();
  });
});

/** The number of the server's process while there is one. */
async function postmasterOf(folder: string): Promise<number | undefined> {
  const file = await readFile(join(folder, 'data', 'postgres', 'postmaster.pid'), 'utf8').catch(() => '');
  return file === '' ? undefined : Number(file.split('\n')[0]);
}
