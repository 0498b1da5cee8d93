import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/admin/cli/doctor/doctor-check.js';
import { VARIABLES } from '../../../src/app.module.js';
import { Clock } from '../../../src/common/clock.js';
import { loadConfig } from '../../../src/config/load-config.js';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { Database } from '../../../src/database/database.js';
import { ensureEmbeddedPostgres } from '../../../src/database/embedded/embedded-postgres.js';
import type { EmbeddedServer } from '../../../src/database/embedded/embedded-postgres.js';
import { SourceStateStore } from '../../../src/transition/accounts/source-state.store.js';
import { UsersSourceClient } from '../../../src/transition/accounts/source/users-source.client.js';
import { UsersSourceCheck } from '../../../src/transition/accounts/users-source.check.js';
import type { TransitionConfig } from '../../../src/transition/transition.settings.js';
import { hashOf } from '../../e2e/transition/product-users.js';
import { admin } from '../../helpers/command-line.js';
import { asProduct } from '../../helpers/database.js';
import { NodeProcess } from '../../helpers/node-process.js';
import { stoppedServer } from '../../helpers/stopped-server.js';

const SESSION_SECRET = 'YW5vdGhlciB0ZXN0LXNlY3JldCBmb3Igc2Vzc2lvbnM';
const READER = { name: 'reader', password: 'a password of the reader' };

const COLUMNS = 'id AS external_id, login AS username, hash AS password_hash';
const QUERIES = {
  USERS_SOURCE_BY_NAME: `SELECT ${COLUMNS} FROM product.accounts WHERE login = $1`,
  USERS_SOURCE_BY_ID: `SELECT ${COLUMNS} FROM product.accounts WHERE id = $1`,
};

const PRODUCT = `
  CREATE SCHEMA product;
  CREATE TABLE product.accounts (id serial PRIMARY KEY, login text UNIQUE, hash text);
  GRANT USAGE ON SCHEMA product TO reader;
  GRANT SELECT (id, login, hash) ON product.accounts TO reader`;

const FINE = 'ok both queries work';
const WARNING = 'warn the role of the users source can read the tables of Tandem';

/** Needs a server of its own: the role of the other tests' server may create no roles. */
describe('a product with a database and a role of its own', () => {
  let folder: string;
  let server: EmbeddedServer;
  let node: NodeProcess;
  let shop: string;
  let reader: string;
  let dataSource: DataSource;
  let database: Database;
  beforeAll(async () => {
    const stopped = await stoppedServer('CREATEROLE');
    ({ folder } = stopped);
    await appendFile(
      join(stopped.cluster, 'pg_hba.conf'),
      `host all ${READER.name} 127.0.0.1/32 scram-sha-256\n`,
    );
    server = await ensureEmbeddedPostgres(folder, () => {});
    await asProduct(server.url, `CREATE ROLE ${READER.name} LOGIN PASSWORD '${READER.password}'`);
    await asProduct(server.url, 'CREATE DATABASE shop');
    shop = at(server.url, { database: 'shop' });
    for (const url of [shop, server.url]) await asProduct(url, PRODUCT);
    reader = at(shop, READER);
    node = await NodeProcess.start({
      databaseUrl: server.url,
      env: { ...QUERIES, SESSION_SECRET, USERS_SOURCE_URL: reader },
    });
    dataSource = await new DataSource(dataSourceOptions(server.url)).initialize();
    database = new Database(dataSource);
  });
  afterAll(async () => {
    await dataSource.destroy();
    await node.remove();
    await server.release();
    await rm(folder, { recursive: true, force: true });
  });

  async function post(path: string, body: object): Promise<{ status: number; body: Record<string, string> }> {
    const reply = await fetch(node.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: reply.status, body: (await reply.json()) as Record<string, string> };
  }

  /** What the doctor says about the users source. */
  async function examine(url: string, production = true): Promise<string[]> {
    const variables = { ...node.environment, USERS_SOURCE_URL: url };
    const config = { ...(loadConfig(variables, node.folder, VARIABLES) as TransitionConfig), production };
    const source = new UsersSourceClient(database, new Clock(), config);
    const findings = await new UsersSourceCheck(source, new SourceStateStore(database), config).examine();
    return findings.map(({ level, message }) => `${level} ${message}`);
  }

  it('lets its users log in and refresh, until it replaces a password', async () => {
    await asProduct(
      shop,
      `INSERT INTO product.accounts (login, hash) VALUES ('ada', '${hashOf('the first one')}')`,
    );
    const first = await post('/auth/login', { username: 'ada', password: 'the first one' });
    expect(first.status).toBe(200);
    const second = await post('/auth/refresh', { refresh_token: first.body['refresh_token'] });
    expect(second.status).toBe(200);
    await asProduct(
      shop,
      `UPDATE product.accounts SET hash = '${hashOf('the second one')}' WHERE login = 'ada'`,
    );
    const third = await post('/auth/refresh', { refresh_token: second.body['refresh_token'] });
    expect([third.status, third.body['code']]).toEqual([401, 'refresh_token_revoked']);
    expect((await post('/auth/login', { username: 'ada', password: 'the second one' })).status).toBe(200);
    expect(node.output).not.toContain(READER.password);
  });

  it('gets a warning of the doctor in production if the role can read a table of Tandem', async () => {
    expect(await examine(reader)).toEqual([FINE]);
    const beside = at(server.url, READER);
    expect(await examine(beside)).toEqual([FINE]);
    await asProduct(server.url, 'GRANT USAGE ON SCHEMA tandem TO reader');
    expect(await examine(beside)).toEqual([FINE]);
    await asProduct(server.url, 'GRANT SELECT (username) ON tandem.users TO reader');
    expect(await examine(beside)).toEqual([WARNING]);
    expect(await examine(beside, false)).toEqual([FINE]);
    // Tandem's own role can read all of it.
    expect(await examine(server.url)).toEqual([WARNING]);
  });

  it('gets the same warning on the command line', async () => {
    const env = { ...node.environment, NODE_ENV: 'production', USERS_SOURCE_URL: server.url };
    const ran = await admin(env, node.folder, ['doctor', '--json']);
    const { checks } = JSON.parse(ran.out) as { checks: Finding[] };
    const found = checks.filter(({ check }) => check === 'users_source');
    expect(found.map(({ level, message }) => `${level} ${message}`)).toEqual([WARNING]);
  });
});

function at(url: string, to: { database?: string; name?: string; password?: string }): string {
  const changed = new URL(url);
  if (to.database !== undefined) changed.pathname = `/${to.database}`;
  if (to.name !== undefined) changed.username = to.name;
  if (to.password !== undefined) changed.password = to.password;
  return changed.href;
}
