import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AppModule, VARIABLES } from '../../../src/app.module.js';
import { fastifyAdapter, setUpApp } from '../../../src/app.setup.js';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import type { Config } from '../../../src/config/config.js';
import { loadConfig } from '../../../src/config/load-config.js';
import { TEST_SECRET, createTestApp } from '../../helpers/app.js';
import { WEBHOOK_SECRET } from '../../helpers/webhook-receiver.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const TEN_MINUTES = 600_000;

const loopsOf = (app: INestApplicationContext) =>
  app
    .get(BackgroundLoops, { strict: false })
    .list()
    .toSorted((a, b) => a.name.localeCompare(b.name));

/** What a node does only if it is asked to: without these settings, their loops do not run. */
const OPTIONAL = {
  WEBHOOK_URL: 'http://127.0.0.1:9/hooks',
  WEBHOOK_SECRET,
  USERS_SOURCE_BY_NAME: `SELECT 'a'::text AS external_id WHERE $1 = 'a'`,
  USERS_SOURCE_BY_ID: `SELECT 'a'::text AS external_id WHERE $1 = 'a'`,
};

describe('background work', () => {
  let db: TestDatabase;
  let folder: string;
  let config: Config;
  let onNode: readonly string[];

  beforeAll(async () => {
    Logger.overrideLogger(false);
    db = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'tandem-background-'));
    config = loadConfig(
      {
        DATABASE_URL: db.url,
        DATA_DIR: folder,
        KEYS_DIR: join(folder, 'keys'),
        JWT_SECRET: TEST_SECRET,
        RSA_MODULUS_BITS: '2048',
        LOG_LEVEL: 'silent',
        ...OPTIONAL,
      },
      process.cwd(),
      VARIABLES,
    );
    const node = await createTestApp({ db, env: OPTIONAL });
    const loops = loopsOf(node.app);
    onNode = loops.map(({ name }) => name);
    expect(loops.filter(({ running }) => !running)).toEqual([]);
    await node.close();
    expect(loops.filter(({ running }) => running)).toEqual([]);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
  afterAll(async () => {
    await db.drop();
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  it('is every loop of a node, each of which runs there and stops with it', () => {
    expect(onNode).toEqual(
      expect.arrayContaining(['audit-sealing', 'clean-up', 'revocation-feed', 'token-cache']),
    );
    expect(new Set(onNode).size).toBe(onNode.length);
  });

  const commandLine = () =>
    NestFactory.createApplicationContext(AppModule.forCommands(config, db.url), {
      logger: false,
      abortOnError: false,
    });

  /** What the doctor starts if no node answers. */
  const doctorsNode = async () => {
    const app = await NestFactory.create<NestFastifyApplication>(
      AppModule.forCommands(config, db.url),
      fastifyAdapter(config),
      { logger: false, abortOnError: false },
    );
    await setUpApp(app, config);
    return app;
  };

  it.each([
    ['the command line', commandLine],
    ['the node of the doctor', doctorsNode],
  ])(
    'does not happen in %s: no loop runs, and in ten minutes nothing asks the database',
    async (_name, open) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
      const app = await open();
      try {
        const loops = loopsOf(app);
        expect(loops.map(({ name }) => name)).toEqual(onNode);
        expect(loops.filter(({ running }) => running)).toEqual([]);
        const query = vi.spyOn(pg.Client.prototype, 'query');
        await vi.advanceTimersByTimeAsync(TEN_MINUTES);
        expect(query.mock.calls.map(([text]) => text)).toEqual([]);
      } finally {
        vi.useRealTimers();
        await app.close();
      }
    },
  );
});
