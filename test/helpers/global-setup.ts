import { appendFile, chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { DataSource } from 'typeorm';
import type { TestProject } from 'vitest/node';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import { dataSourceOptions } from '../../src/database/data-source-options.js';
import { migrate } from '../../src/database/migrate.js';
import { findCluster } from '../../src/database/embedded/embedded-cluster.js';
import { findPostmaster } from '../../src/database/embedded/embedded-pid-file.js';
import { ensureEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { MIGRATED, STARTED } from './templates.js';
import { temporaryFolder } from './temporary-folder.js';

declare module 'vitest' {
  export interface ProvidedContext {
    postgresUrl: string;
  }
}

const ROOT = join(import.meta.dirname, '..', '..');

/** Tests start processes from `dist`: it is built from the sources as they are now, however the run was started. */
const build = () => buildIfStale(ROOT, () => {});

/** What the projects of a run share. Each project loads this file anew. */
const shared = globalThis as {
  testServer?: { readonly url: string; users: number; release(): Promise<void> };
};

/**
 * One PostgreSQL for the whole run, with one migrated database from which each test file copies its own. With
 * TEST_DATABASE_URL that server is used, else the embedded one in a temporary folder. A copy consists of some 300
 * files, and a disk may need ten times as long for them as memory.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  project.onTestsRerun(build);
  const server = (shared.testServer ??= { ...(await start()), users: 0 });
  server.users += 1;
  project.provide('postgresUrl', server.url);
  return async () => {
    server.users -= 1;
    if (server.users > 0) return;
    delete shared.testServer;
    await server.release();
  };
}

async function start(): Promise<{ readonly url: string; release(): Promise<void> }> {
  await build();
  const given = process.env['TEST_DATABASE_URL'];
  if (given !== undefined) {
    await createTemplate(given);
    return { url: given, release: () => Promise.resolve() };
  }
  const folder = await mkdtemp(join(temporaryFolder(), 'tandem-test-'));
  await chmod(folder, 0o755);
  const server = await ensureEmbeddedPostgres(folder, () => {});
  await hasten(folder, server.url);
  await createTemplate(server.url);
  return {
    url: server.url,
    async release() {
      await server.release();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Nothing has to survive a crash of this server. Its password is random, so one round of hashing is enough. */
async function hasten(folder: string, url: string): Promise<void> {
  const cluster = (await findCluster(folder))!;
  const { pid } = (await findPostmaster(cluster))!;
  const settings = ['synchronous_commit = off', 'full_page_writes = off'];
  await appendFile(join(cluster, 'postgresql.conf'), `\n${settings.join('\n')}\n`);
  process.kill(pid, 'SIGHUP');
  const { username, password } = new URL(url);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('SET scram_iterations = 1');
  await client.query(`ALTER ROLE ${username} PASSWORD '${password}'`);
  await client.end();
}

async function createTemplate(url: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  for (const name of [MIGRATED, STARTED]) await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await admin.query(`CREATE DATABASE ${MIGRATED}`);
  await admin.end();
  const template = new URL(url);
  template.pathname = `/${MIGRATED}`;
  const dataSource = await new DataSource(dataSourceOptions(template.href)).initialize();
  await migrate(dataSource);
  await dataSource.destroy();
}
