import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModuleMetadata } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { ConsoleFiles } from '../../src/admin/console/console-files.js';
import { AppModule, VARIABLES } from '../../src/app.module.js';
import { fastifyAdapter, setUpApp } from '../../src/app.setup.js';
import type { TimeOuts } from '../../src/app.setup.js';
import { Clock } from '../../src/common/clock.js';
import { CONFIG } from '../../src/config/config.js';
import type { Config } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load-config.js';
import { Argon2Scheme } from '../../src/users/hashing/argon2.scheme.js';
import { PasswordHasher } from '../../src/users/hashing/password-hasher.js';
import { createTestDatabase, onServer } from './database.js';
import type { TestDatabase } from './database.js';
import { STARTED } from './templates.js';
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
  /** The folder of the console's files instead of those of the last build. */
  readonly consoleFolder?: string;
  /** Other than those of main. */
  readonly timeOuts?: TimeOuts;
  /** True: new password hashes cost as much as in production. Otherwise they cost next to nothing. */
  readonly costlyHashes?: boolean;
}

/** A secret as production wants it; no use anywhere else. */
export const TEST_SECRET = 'b3JkaW5hcnktdGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ';

const CHEAP_HASHER = {
  factory: (clock: Clock, config: Config) =>
    new PasswordHasher(clock, config, new Argon2Scheme({ memoryCost: 8, timeCost: 1, parallelism: 1 })),
  inject: [Clock, CONFIG],
};

/** Variables whose values the first start writes into the database, or which decide what it creates there. */
const KEPT = /^(?:ADMIN|DATABASE|JWT|KEYS|ROLLOUT|RSA|TOKEN)_|_(?:STORE|TABLE|PRESET)$/;

/**
 * The real module on a real database, set up as main does it. Limits are high unless a test is about them. Unless `env` or `db` say
 * otherwise, a node has started on the database before, so that it has a signing key and the administrator.
 */
export async function createTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const { db, env = {}, costlyHashes = false } = options;
  if (db !== undefined) return startNode(options, db, false);
  const started = !costlyHashes && !Object.keys(env).some((name) => KEPT.test(name));
  return startNode(
    options,
    await createTestDatabase(started ? { template: await startedTemplate() } : {}),
    true,
  );
}

async function startNode(
  {
    env = {},
    listen = false,
    imports = [],
    consoleFolder = '',
    timeOuts,
    costlyHashes = false,
  }: TestAppOptions,
  database: TestDatabase,
  dropsDatabase: boolean,
): Promise<TestApp> {
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
  const testing = Test.createTestingModule({
    imports: [AppModule.forRoot(config, database.url), ...imports],
  });
  testing.overrideProvider(ConsoleFiles).useValue(ConsoleFiles.read(consoleFolder, config.pathPrefix));
  if (!costlyHashes) testing.overrideProvider(PasswordHasher).useFactory(CHEAP_HASHER);
  const module = await testing.compile();
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
      if (dropsDatabase) await database.drop();
      // A key that was just being copied may still arrive.
      await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

let prepared: Promise<string> | undefined;

/** The template of databases in which a node has started. The first test of the run that needs it makes it. */
function startedTemplate(): Promise<string> {
  return (prepared ??= onServer(async (server) => {
    // Other workers wait until the connection ends.
    await server.query('SELECT pg_advisory_lock(1)');
    const found = await server.query('SELECT FROM pg_database WHERE datname = $1', [STARTED]);
    if (found.rowCount === 1) return STARTED;
    const database = await createTestDatabase();
    const node = await startNode({}, database, false);
    await node.close();
    await database.dataSource.destroy();
    await server.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} RENAME TO ${STARTED}`);
    return STARTED;
  }));
}
