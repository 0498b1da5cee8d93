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

/** Starts a node, and on the embedded database the server too if nobody else has. */
async function start(config: Config): Promise<void> {
  const embedded =
    config.databaseUrl === undefined
      ? await ensureEmbeddedPostgres(config.dataDir, (line) => process.stderr.write(`${line}\n`))
      : undefined;
  const url = config.databaseUrl ?? embedded!.url;
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(config, url),
    fastifyAdapter(config),
    {
      bufferLogs: true,
      abortOnError: false,
    },
  );
  app.useLogger(app.get(Logger));
  await setUpApp(app, config);
  await app.listen(config.port, config.host);
  stopOnSignals(async () => {
    await app.close();
    await embedded?.release();
  });
  announce(await app.getUrl(), app.get(Logger), config);
}

/** PostgreSQL has to outlast the requests that are still being answered, so the order of the end is ours alone. */
function stopOnSignals(stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = () => {
    if (stopping) return;
    stopping = true;
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function announce(listening: string, logger: Logger, config: Config): void {
  const url = listening.replace('127.0.0.1', 'localhost').replace('[::1]', 'localhost');
  for (const warning of configWarnings(config)) logger.warn(warning);
  logger.log(`Tandem is ready at ${url}`);
  logger.log(`Swagger UI: ${url}/docs`);
  logger.log('Walk-through: README.md, "See it work"');
}

function refuseToStart(error: unknown): never {
  const lines =
    error instanceof ConfigurationError
      ? error.faults
      : [error instanceof Error ? error.message : String(error)];
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exit(error instanceof ConfigurationError ? EX_CONFIG : 1);
}

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
