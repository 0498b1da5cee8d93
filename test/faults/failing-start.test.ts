import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asProduct, createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { TestNodes, productionFaults } from '../helpers/node-process.js';

const nodes = new TestNodes();
afterEach(() => nodes.remove());

describe('a failing start in production', () => {
  let db: TestDatabase;
  const env = { NODE_ENV: 'production', SESSION_SECRET: 'a session secret of the old product' };
  beforeEach(async () => {
    db = await createTestDatabase();
  });
  afterEach(() => db.drop());

  function urlWith(change: (url: URL) => void): string {
    const url = new URL(db.url);
    change(url);
    return url.href;
  }

  async function faultOf(databaseUrl: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
    const node = await nodes.spawn({ databaseUrl, env: { ...env, ...more } });
    expect(await node.exited).toBe(1);
    const faults = productionFaults(node);
    expect(faults).toHaveLength(1);
    expect(node.output).not.toContain(new URL(databaseUrl).password || 'no password');
    return faults[0]!;
  }

  it('logs one line if the database is unreachable', async () => {
    const url = 'postgresql://tandem:hunter2hunter2@127.0.0.1:1/none';
    expect(await faultOf(url)).toMatch(/^The database cannot be used: .*ECONNREFUSED/);
    expect(await faultOf(url, { WORKERS: '2' })).toMatch(/^The database cannot be used: .*ECONNREFUSED/);
    expect(await faultOf(url, { LOG_LEVEL: 'silent' })).toMatch(
      /^The database cannot be used: .*ECONNREFUSED/,
    );
  });

  it('logs one line if the database password is wrong', async () => {
    const url = urlWith((wrong) => (wrong.password = 'hunter2hunter2'));
    expect(await faultOf(url)).toMatch(/^The database cannot be used: password authentication failed/);
  });

  it('logs one line if the database does not exist', async () => {
    const url = urlWith((wrong) => (wrong.pathname = '/nowhere'));
    expect(await faultOf(url)).toMatch(/^The database cannot be used: database "nowhere" does not exist/);
  });

  it('logs one line if the database server has no TLS', async () => {
    const url = urlWith(({ searchParams }) => searchParams.set('sslmode', 'require'));
    expect(await faultOf(url)).toMatch(/^The database cannot be used: The server does not support SSL/);
  });

  it('logs one line if a migration fails', async () => {
    const empty = await createTestDatabase({ migrated: false });
    await asProduct(empty.url, 'CREATE SCHEMA tandem; REVOKE CREATE ON SCHEMA tandem FROM CURRENT_USER');
    expect(await faultOf(empty.url)).toMatch(
      /^The database cannot be used: permission denied for schema tandem/,
    );
    await empty.drop();
  });

  it('logs one line if the port is in use, which names the port, the setting and the command', async () => {
    const first = await nodes.start({ databaseUrl: db.url });
    const { port } = new URL(first.url);
    for (const workers of ['1', '2'])
      expect(await faultOf(db.url, { PORT: port, WORKERS: workers })).toBe(
        `Port ${port} of 127.0.0.1 is in use (EADDRINUSE). Stop the program that uses it, or set PORT to another: PORT=${(Number(port) % 65_535) + 1} npm start`,
      );
  });

  it('logs one line if JWT_SECRET belongs to another installation', async () => {
    await nodes.start({ databaseUrl: db.url });
    const JWT_SECRET = 'another-secret-than-that-of-the-first-node';
    expect(await faultOf(db.url, { JWT_SECRET })).toMatch(/^JWT_SECRET is not the one/);
  });

  it('adds the stack trace at LOG_LEVEL=debug', async () => {
    const node = await nodes.spawn({
      databaseUrl: 'postgresql://tandem:hunter2hunter2@127.0.0.1:1/none',
      env: { ...env, LOG_LEVEL: 'debug' },
    });
    expect(await node.exited).toBe(1);
    const fault = node.output.split('\n').find((line) => line.includes('cannot be used')) ?? '{}';
    expect((JSON.parse(fault) as { stack?: string }).stack).toMatch(/^\s+at /m);
    expect(node.output).not.toContain('hunter2hunter2');
  });
});
