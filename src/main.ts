import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from 'nestjs-pino';
import { AppModule } from './app.module.js';
import { fastifyAdapter, setUpApp } from './app.setup.js';
import type { Config } from './config/config.js';
import { configWarnings } from './config/config-warnings.js';
import { ConfigurationError } from './config/configuration-error.js';
import { loadDotenv } from './config/dotenv.js';
import { loadConfig } from './config/load-config.js';
import { ensureEmbeddedPostgres } from './database/embedded-postgres.js';

/** The exit code of a start that was refused because of how the service is set up (sysexits.h, EX_CONFIG). */
const EX_CONFIG = 78;

/** How long a stop may take, in milliseconds: a little more than the requests in flight get. */
const STOP_WITHIN = 15_000;

/** What this process has begun, in that order: it ends in the opposite one, for PostgreSQL has to outlast the requests. */
const begun: (() => Promise<unknown>)[] = [];

let stopping = false;

/** Starts a node, and on the embedded database the server too if nobody else has. */
async function start(config: Config): Promise<void> {
  const url = config.databaseUrl ?? (await embeddedUrl(config));
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(config, url),
    fastifyAdapter(config),
    {
      bufferLogs: true,
      abortOnError: false,
    },
  );
  begun.push(() => app.close());
  app.useLogger(app.get(Logger));
  await setUpApp(app, config);
  await app.listen(config.port, config.host);
  announce(await app.getUrl(), app.get(Logger), config);
}

async function embeddedUrl(config: Config): Promise<string> {
  const server = ensureEmbeddedPostgres(config.dataDir, (line) => process.stderr.write(`${line}\n`));
  // Before it is there: a signal during the start must not leave it behind.
  begun.push(() =>
    server.then(
      (running) => running.release(),
      () => undefined,
    ),
  );
  return (await server).url;
}

/** Ends the process once, with `code` or with 1 if ending fails or takes too long; a link to nowhere must not keep it. */
function stop(code: number): void {
  if (stopping) return;
  stopping = true;
  setTimeout(() => process.exit(1), STOP_WITHIN);
  endAll().then(
    () => process.exit(code),
    () => process.exit(1),
  );
}

async function endAll(): Promise<void> {
  for (const end of begun.toReversed()) await end();
}

function announce(listening: string, logger: Logger, config: Config): void {
  const url = listening.replace('127.0.0.1', 'localhost').replace('[::1]', 'localhost');
  for (const warning of configWarnings(config)) logger.warn(warning);
  logger.log(`Tandem is ready at ${url}`);
  logger.log(`Swagger UI: ${url}/docs`);
  logger.log('Walk-through: README.md, "See it work"');
}

function refuseToStart(error: unknown): void {
  // What breaks while the node is being stopped is no fault of its set-up.
  if (stopping) return;
  const lines =
    error instanceof ConfigurationError
      ? error.faults
      : [error instanceof Error ? error.message : String(error)];
  for (const line of lines) process.stderr.write(`${line}\n`);
  stop(error instanceof ConfigurationError ? EX_CONFIG : 1);
}

process.on('SIGTERM', () => stop(0));
process.on('SIGINT', () => stop(0));

process.on('unhandledRejection', (error) => {
  process.stderr.write(
    `unhandled rejection: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
});

try {
  loadDotenv();
  await start(loadConfig());
} catch (error) {
  refuseToStart(error);
}
