import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../helpers/database.js';
import { NodeProcess, TestNodes, productionFaults } from '../helpers/node-process.js';

/** sysexits.h: EX_CONFIG. */
const EX_CONFIG = 78;

const nodes = new TestNodes();
afterEach(() => nodes.remove());

describe('a start', () => {
  it('writes one line for each missing setting in production, and nothing else', async () => {
    const node = await nodes.spawn({ env: { NODE_ENV: 'production', JWT_SECRET: '', PORT: 'many' } });
    expect(await node.exited).toBe(EX_CONFIG);
    const lines = productionFaults(node);
    expect(lines).toHaveLength(4);
    expect(new Set(lines.map((line) => line.split(' ')[0]))).toEqual(
      new Set(['DATABASE_URL', 'JWT_SECRET', 'PORT', 'SESSION_SECRET']),
    );
    expect(lines.every((line) => / must /.test(line))).toBe(true);
  });

  it('is refused in production with a placeholder as secret', async () => {
    const secret = 'your-secret-key-here-your-secret-key-here';
    const node = await nodes.spawn({
      databaseUrl: 'postgresql://nobody@127.0.0.1:1/none',
      env: {
        NODE_ENV: 'production',
        JWT_SECRET: secret,
        SESSION_SECRET: 'a session secret of the old product',
      },
    });
    expect(await node.exited).toBe(EX_CONFIG);
    expect(productionFaults(node)).toEqual([expect.stringMatching(/^JWT_SECRET must be /)]);
    expect(node.output).not.toContain(secret);
  });

  it('is refused in production with quoted or unexpanded values, which it names', async () => {
    const node = await nodes.spawn({
      databaseUrl: 'postgresql://nobody@127.0.0.1:1/none',
      env: {
        NODE_ENV: '"production"',
        SESSION_SECRET: '${SESSION_SECRET}',
        TRUST_PROXY: '0.0.0.0/0',
        JWT_SECRET: '',
        JWT_SECRET_FILE: '/run/secrets/is-not-there',
      },
    });
    expect(await node.exited).toBe(EX_CONFIG);
    for (const name of ['NODE_ENV', 'SESSION_SECRET', 'TRUST_PROXY', 'JWT_SECRET_FILE'])
      expect(node.output).toMatch(new RegExp(`\\b${name} must `));
  });

  it('fails in bounded time without its database, and does not print the password', async () => {
    const node = await nodes.spawn({ databaseUrl: 'postgresql://tandem:hunter2hunter2@127.0.0.1:1/none' });
    expect(await node.exited).toBe(1);
    expect(node.output).not.toContain('hunter2hunter2');
  });

  it('is refused with the wrong JWT_SECRET, and changes nothing', async () => {
    const db = await createTestDatabase();
    try {
      const first = await nodes.start({ databaseUrl: db.url });
      const before = await db.dataSource.query<unknown[]>('SELECT * FROM signing_keys');
      const second = await nodes.spawn({
        databaseUrl: db.url,
        env: { JWT_SECRET: 'another-secret-than-that-of-the-first-node' },
      });
      expect(await second.exited).not.toBe(0);
      expect(second.output).toMatch(/^JWT_SECRET is not the one/m);
      expect(await db.dataSource.query('SELECT * FROM signing_keys')).toEqual(before);
      expect(first.alive).toBe(true);
    } finally {
      await nodes.remove();
      await db.drop();
    }
  });
});

describe('a successful start', () => {
  it('warns in an empty production database that there is no administrator, before the addresses', async () => {
    const db = await createTestDatabase();
    try {
      const node = await nodes.start({
        databaseUrl: db.url,
        env: {
          NODE_ENV: 'production',
          SESSION_SECRET: 'a session secret of the old product',
          ADMIN_USERNAME: '',
          ADMIN_PASSWORD: '',
        },
      });
      expect(node.output).toMatch(
        /There is no active administrator: .*ADMIN_USERNAME[^]*Tandem is ready at[^\n]*\n$/,
      );
      expect(node.output).toMatch(/users create NAME --role admin/);
    } finally {
      await nodes.remove();
      await db.drop();
    }
  });

  it('explains on a public host how to get a demonstration user, once for all workers, before the addresses', async () => {
    const node = await nodes.start({
      env: { HOST: '0.0.0.0', WORKERS: '2', ADMIN_USERNAME: '', ADMIN_PASSWORD: '' },
    });
    expect(node.output).toMatch(/There is no active administrator[^]*Tandem is ready at[^\n]*\n$/);
    expect(node.output.match(/There is no demonstration user .*HOST=127\.0\.0\.1/g)).toHaveLength(1);
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

  it('stops if the start is refused after the database started', async () => {
    const node = await NodeProcess.spawn({
      folder,
      env: { JWT_SECRET: 'another-secret-than-the-one-before' },
    });
    expect(await node.exited).not.toBe(0);
    expect(node.output).toContain('PostgreSQL started');
    expect(await postmasterOf(folder)).toBeUndefined();
  });

  it('stops if the start is interrupted', async () => {
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
