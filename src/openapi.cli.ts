import 'reflect-metadata';
import { readFile, writeFile } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { buildOpenApi } from './app.openapi.js';
import { fastifyAdapter } from './app.setup.js';
import { loadConfig } from './config/load-config.js';

const FILE = 'docs/openapi.json';

/** The document is the same for every configuration; nothing is kept anywhere for it. */
const ENVIRONMENT = { JWT_SECRET: 'unused'.repeat(6), SESSION_SECRET: 'unused', LOG_LEVEL: 'silent' };

/** The document of the whole application, of which nothing is started: no database is needed. */
async function describe(): Promise<string> {
  const config = loadConfig(ENVIRONMENT);
  const module = AppModule.forRoot(config, 'postgres://nowhere.invalid/none');
  const app = await NestFactory.create<NestFastifyApplication>(module, fastifyAdapter(config), {
    preview: true,
    logger: ['error'],
    abortOnError: false,
  });
  return `${JSON.stringify(buildOpenApi(app), null, 2)}\n`;
}

/** Writes docs/openapi.json; with `--check` writes nothing and exits with 1 if the file is stale. */
async function main(): Promise<void> {
  const document = await describe();
  if (!process.argv.includes('--check')) {
    await writeFile(FILE, document);
    return;
  }
  if ((await readFile(FILE, 'utf8').catch(() => '')) !== document) {
    process.stderr.write(`${FILE} is stale: npm run openapi\n`);
    process.exitCode = 1;
  }
}

await main();
