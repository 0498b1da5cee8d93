import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModuleMetadata } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { AppModule, VARIABLES } from '../../src/app.module.js';
import { fastifyAdapter, setUpApp } from '../../src/app.setup.js';
import type { TimeOuts } from '../../src/app.setup.js';
import { loadConfig } from '../../src/config/load-config.js';
import { createTestDatabase } from './database.js';
import type { TestDatabase } from './database.js';
import { temporaryFolder } from './temporary-folder.js';

export interface TestApp {
  readonly app: NestFastifyApplication;
  readonly db: TestDatabase;
  /** Where it listens, if asked to. */
  readonly url: string;
  /** Stops the node; the database goes too, unless it was given. */
  close(): Promise<void>;
}

export interface TestAppOptions {
  /** Environment variables on top of the tests' own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Another node on the same database. */
  readonly db?: TestDatabase;
  /** On a free port of loopback; otherwise use `app.inject()`. */
  readonly listen?: boolean;
  /** Modules beside the application's own, as a team would add them. */
  readonly imports?: ModuleMetadata['imports'];
  /** Other than those of main. */
  readonly timeOuts?: TimeOuts;
}

/** A secret as production wants it; no use anywhere else. */
export const TEST_SECRET = 'b3JkaW5hcnktdGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ';

/** The real module on a real database, set up as main does it. Limits are high unless a test is about them. */
export async function createTestApp({
  env = {},
  db,
  listen = false,
  imports = [],
  timeOuts,
}: TestAppOptions = {}): Promise<TestApp> {
  const database = db ?? (await createTestDatabase());
  const folder = await mkdtemp(join(temporaryFolder(), 'tandem-node-'));
  const variables = {
    DATABASE_URL: database.url,
    DATA_DIR: folder,
    KEYS_DIR: join(folder, 'keys'),
    JWT_SECRET: TEST_SECRET,
    JWT_ISSUER: 'http://tandem.test',
    RSA_MODULUS_BITS: '2048',
    AUTH_RATE_LIMIT: '100000',
    LOG_LEVEL: 'silent',
    ADMIN_USERNAME: 'root',
    ADMIN_PASSWORD: 'a long enough pass phrase',
    ...env,
  };
  const config = loadConfig(variables, process.cwd(), VARIABLES);
  const module = await Test.createTestingModule({
    imports: [AppModule.forRoot(config, database.url), ...imports],
  }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(fastifyAdapter(config, timeOuts), {
    logger: false,
  });
  await setUpApp(app, config, timeOuts);
  if (listen) await app.listen(0, '127.0.0.1');
  return {
    app,
    db: database,
    url: listen ? await app.getUrl() : '',
    async close() {
      await app.close();
      if (db === undefined) await database.drop();
      // A key that was just being copied may still arrive.
      await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
