import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import type { TestProject } from 'vitest/node';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import { dataSourceOptions } from '../../src/database/data-source-options.js';
import { migrate } from '../../src/database/migrate.js';
import { ensureEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { temporaryFolder } from './temporary-folder.js';

declare module 'vitest' {
  export interface ProvidedContext {
    postgresUrl: string;
  }
}

export const TEMPLATE = 'tandem_template';

const ROOT = join(import.meta.dirname, '..', '..');

/** Tests start processes from `dist`: it is built from the sources as they are now, however the run was started. */
const build = () => buildIfStale(ROOT, () => {});

/**
 * One PostgreSQL for the whole run, with one migrated database from which each test file copies its own. With
 * TEST_DATABASE_URL that server is used, else the embedded one in a temporary folder. A copy consists of some 300
 * files, and a disk may need ten times as long for them as memory.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await build();
  project.onTestsRerun(build);
  const given = process.env['TEST_DATABASE_URL'];
  const folder = given === undefined ? await mkdtemp(join(temporaryFolder(), 'tandem-test-')) : undefined;
  if (folder !== undefined) await chmod(folder, 0o755);
  const server = folder === undefined ? undefined : await ensureEmbeddedPostgres(folder, () => {});
  const url = given ?? server!.url;
  await createTemplate(url);
  project.provide('postgresUrl', url);
  return async () => {
    await server?.release();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  };
}

async function createTemplate(url: string): Promise<void> {
  const admin = await new DataSource({ type: 'postgres', url }).initialize();
  await admin.query(`DROP DATABASE IF EXISTS ${TEMPLATE} WITH (FORCE)`);
  await admin.query(`CREATE DATABASE ${TEMPLATE}`);
  await admin.destroy();
  const template = new URL(url);
  template.pathname = `/${TEMPLATE}`;
  const dataSource = await new DataSource(dataSourceOptions(template.href)).initialize();
  await migrate(dataSource);
  await dataSource.destroy();
}
