import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import { NodeProcess, productionFaults } from '../helpers/node-process.js';
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
    const lines = productionFaults(node);
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
    expect(productionFaults(node)).toEqual([expect.stringMatching(/^JWT_SECRET takes /)]);
    expect(node.output).not.toContain(secret);
  });

  it('in production refuses values that were not meant so, and names them', async () => {
    const node = await spawn({
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
      expect(node.output).toMatch(new RegExp(`\\b${name} takes `));
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

describe('a start that succeeds', () => {
  it('in an empty production database says that there is no administrator, and how to make one', async () => {
    const db = await createTestDatabase();
    try {
      const node = await NodeProcess.start({
        databaseUrl: db.url,
        env: {
          NODE_ENV: 'production',
          SESSION_SECRET: 'a session secret of the old product',
          ADMIN_USERNAME: '',
          ADMIN_PASSWORD: '',
        },
      });
      begun.push(node);
      await until(
        () => Promise.resolve(/There is no active administrator: .*ADMIN_USERNAME/.test(node.output)),
        10_000,
      );
      expect(node.output).toMatch(/users create NAME --role admin/);
    } finally {
      await Promise.all(begun.splice(0).map((node) => node.remove()));
      await db.drop();
    }
  });

  it('on a host that others reach says how to get a demonstration user, from one worker of several', async () => {
    const node = await NodeProcess.start({
      env: { HOST: '0.0.0.0', WORKERS: '2', ADMIN_USERNAME: '', ADMIN_PASSWORD: '' },
    });
    begun.push(node);
    await until(() => Promise.resolve(/There is no active administrator/.test(node.output)), 10_000);
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
