import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandsIn } from '../../../src/admin/cli/admin-command.js';
import { checksIn } from '../../../src/admin/cli/doctor/doctor-check.js';
import { AppModule, FEATURES, VARIABLES } from '../../../src/app.module.js';
import { loadConfig } from '../../../src/config/load-config.js';
import { TEST_SECRET } from '../../helpers/app.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

describe('the service as the command line starts it', () => {
  let db: TestDatabase;
  let folder: string;
  beforeAll(async () => {
    Logger.overrideLogger(false);
    db = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'tandem-commands-'));
  });
  afterAll(async () => {
    await db.drop();
    await rm(folder, { recursive: true });
  });

  it('starts without HTTP, finds every command and check, and stops', async () => {
    const config = loadConfig(
      {
        DATABASE_URL: db.url,
        DATA_DIR: folder,
        KEYS_DIR: join(folder, 'keys'),
        JWT_SECRET: TEST_SECRET,
        RSA_MODULUS_BITS: '2048',
      },
      process.cwd(),
      VARIABLES,
    );
    const app = await NestFactory.createApplicationContext(AppModule.forCommands(config, db.url), {
      logger: false,
      abortOnError: false,
    });
    try {
      const all = [...commandsIn(FEATURES), ...checksIn(FEATURES)];
      expect(all.length).toBeGreaterThanOrEqual(7);
      for (const type of all) expect(app.get(type as never, { strict: false })).toBeInstanceOf(type);
    } finally {
      await app.close();
    }
  });
});
