import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import pg from 'pg';
import { DatabaseUnavailable } from '../../src/database/database.errors.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { aNode, aUser, tokenOf, aFamily } from '../integration/tokens/token-node.js';
import type { TokenNode } from '../integration/tokens/token-node.js';

const SOON = { timeout: 5_000, interval: 10 };
const DISCONNECT = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()`;

describe('a node whose database was replaced', () => {
  let db: TestDatabase;
  let name: string;
  let node: TokenNode;
  let admin: pg.Client;
  beforeEach(async () => {
    db = await createTestDatabase();
    name = new URL(db.url).pathname.slice(1);
    admin = new pg.Client({ connectionString: inject('postgresUrl') });
    await admin.connect();
    node = await aNode(db.url);
    await node.feed.start();
  });
  afterEach(async () => {
    await node.stop();
    await admin.end();
    await db.drop();
  });

  const ask = () => node.database.query('SELECT 1 AS one');
  const disconnect = () => admin.query(DISCONNECT, [name]);
  const renameTo = async (suffix: string) => {
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await disconnect();
    await admin.query(`ALTER DATABASE ${name} RENAME TO ${name}_${suffix}`);
  };
  const refuses = async (distrust: string) => {
    await expect.poll(() => node.database.distrust, SOON).toBe(distrust);
    await expect.poll(() => node.feed.isFresh(), SOON).toBe(false);
    await expect(ask()).rejects.toBeInstanceOf(DatabaseUnavailable);
    await expect(node.feed.untilFresh()).rejects.toMatchObject({ status: 503 });
  };

  it('refuses another database under the same name', async () => {
    await renameTo('old');
    await admin.query(`CREATE DATABASE ${name} TEMPLATE tandem_template`);
    try {
      await refuses('other_database');
    } finally {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.query(`ALTER DATABASE ${name}_old RENAME TO ${name}`);
      await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    }
    await expect.poll(() => node.feed.isFresh(), SOON).toBe(true);
    expect(await ask()).toEqual([{ one: 1 }]);
  });

  it('refuses a copy of its own database under the same name', async () => {
    await renameTo('old');
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${name}_old`);
    try {
      await refuses('other_database');
    } finally {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.query(`ALTER DATABASE ${name}_old RENAME TO ${name}`);
      await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    }
  });

  it('notices a restore into its own database, without losing a connection', async () => {
    await ask();
    await db.dataSource.transaction(async (sql) => {
      await sql.query('CREATE TABLE restored (LIKE service_state INCLUDING ALL)');
      await sql.query('INSERT INTO restored SELECT * FROM service_state');
      await sql.query('DROP TABLE service_state');
      await sql.query('ALTER TABLE restored RENAME TO service_state');
    });
    await refuses('other_database');
    const restarted = await aNode(db.url);
    await restarted.feed.start();
    expect(await restarted.database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await restarted.stop();
  });

  it('refuses connections that are read-only, and recovers when they are not', async () => {
    const login = await aFamily(node, await aUser(node.database));
    await admin.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await disconnect();
    await refuses('read_only');
    await admin.query(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
    await expect.poll(() => node.feed.isFresh(), SOON).toBe(true);
    expect(await ask()).toEqual([{ one: 1 }]);
    expect(node.revoked.isRevoked(tokenOf(login))).toBe(false);
  });

  it('verifies each connection once', async () => {
    const query = vi.spyOn(pg.Client.prototype, 'query');
    await disconnect();
    await expect
      .poll(
        () =>
          ask().then(
            () => true,
            () => false,
          ),
        SOON,
      )
      .toBe(true);
    await expect.poll(() => node.feed.isFresh(), SOON).toBe(true);
    const proofs = () =>
      query.mock.calls.filter(([text]) => String(text).includes('pg_is_in_recovery')).length;
    const before = proofs();
    expect(before).toBeGreaterThan(0);
    for (let i = 0; i < 10; i += 1) await ask();
    expect(proofs()).toBe(before);
    query.mockRestore();
  });

  it('finds the database among several hosts, of which one refuses and one is silent', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await vi.waitFor(() => expect(silent.listening).toBe(true), 15_000);
    const { host } = new URL(db.url);
    const url = db.url.replace(
      host,
      `127.0.0.1:1,127.0.0.1:${(silent.address() as AddressInfo).port},${host}`,
    );
    const other = await aNode(url);
    try {
      await other.feed.start();
      expect(await other.database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await other.stop();
      silent.close();
    }
  });

  it('says what is wrong with each of several hosts, and reveals no password', async () => {
    const { host, password } = new URL(db.url);
    const url = db.url.replace(host, '127.0.0.1:1,127.0.0.1:2').replace(password, 'hunter2hunter2');
    const failure = await aNode(url).catch((error: Error) => error);
    expect((failure as Error).message).toMatch(
      /127\.0\.0\.1:1: .*ECONNREFUSED.*; 127\.0\.0\.1:2: .*ECONNREFUSED/,
    );
    expect((failure as Error).message).not.toContain('hunter2');
  });
});
