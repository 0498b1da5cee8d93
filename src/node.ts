import cluster from 'node:cluster';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from 'nestjs-pino';
import { AppModule, VARIABLES } from './app.module.js';
import { fastifyAdapter, setUpApp } from './app.setup.js';
import { startLogger, startupBanner } from './common/logging/startup-banner.js';
import type { Config } from './config/config.js';
import { configWarnings } from './config/config-warnings.js';
import { storeSettings } from './config/stored-settings.js';
import { tracingWarnings } from './operations/tracing/tracing.js';
import { FirstUsersService } from './users/first-users.service.js';

/**
 * The length of the accept queue: as long as the system allows, because the kernel uses the lower of this and its own limit. With a
 * short queue, connections that arrive while the event loop is busy are dropped or reset.
 */
const BACKLOG = 65_535;

/** Starts a node on the database at `url`. Resolves when the node serves. Adds its shutdown to `shutdownSteps` before it serves. */
export async function startNode(
  config: Config,
  url: string,
  shutdownSteps: (() => Promise<unknown>)[],
): Promise<void> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(config, url),
    fastifyAdapter(config),
    {
      bufferLogs: true,
      // If the start fails, one line about the failure is enough.
      autoFlushLogs: false,
      abortOnError: false,
    },
  );
  shutdownSteps.push(() => app.close());
  const logger = app.get(Logger);
  app.useLogger(startLogger(logger));
  app.flushLogs();
  await setUpApp(app, config);
  if (!config.production) storeSettingsForCommands(config, logger);
  // Before the banner, so that the addresses are the last lines. Only the first worker logs it.
  if (!cluster.isWorker || cluster.worker?.id === 1) {
    for (const warning of tracingWarnings(process.env)) logger.warn(warning);
    await warnOfMissingUsers(app, logger);
  }
  await listen(app, config);
  // The supervisor logs one banner for all workers.
  if (!cluster.isWorker) logBanner(await app.getUrl(), logger, config);
}

/** Throws an error that says what to do if another program uses the port. */
async function listen(app: NestFastifyApplication, { port, host }: Config): Promise<void> {
  try {
    await app.listen({ port, host, backlog: BACKLOG });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const other = (port % 65_535) + 1;
    const remedy = `Stop the program that uses it, or set PORT to another: PORT=${other} npm start`;
    throw new Error(`Port ${port} of ${host} is in use (EADDRINUSE). ${remedy}`, { cause: error });
  }
}

/** Call it when the key ring is open: the settings are correct then. A failure is only logged, because the node does not need the file. */
function storeSettingsForCommands({ dataDir }: Config, logger: Logger): void {
  try {
    storeSettings(process.env, dataDir, VARIABLES);
  } catch (error) {
    logger.warn(
      { err: error },
      'failed to store the settings in DATA_DIR: set the variables of this node when you run a command',
    );
  }
}

function logBanner(listening: string, logger: Logger, config: Config): void {
  for (const warning of configWarnings(config)) logger.warn(warning);
  for (const line of startupBanner(listening)) logger.log(line);
}

/** Missing users do not prevent the start: an import or another node may add them. */
async function warnOfMissingUsers(app: NestFastifyApplication, logger: Logger): Promise<void> {
  try {
    for (const line of await app.get(FirstUsersService).missing()) logger.warn(line);
  } catch (error) {
    logger.warn({ err: error }, 'failed to check whether there is an administrator');
  }
}
