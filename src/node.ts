import cluster from 'node:cluster';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from 'nestjs-pino';
import { AppModule, VARIABLES } from './app.module.js';
import { fastifyAdapter, setUpApp } from './app.setup.js';
import { startLogger, startupBanner } from './common/startup-banner.js';
import type { Config } from './config/config.js';
import { configWarnings } from './config/config-warnings.js';
import { keepSettings } from './config/kept-settings.js';
import { FirstUsersService } from './users/first-users.service.js';

/**
 * The length of the accept queue: as long as the system allows, because the kernel takes the lower of this and its own limit. If the
 * queue is short, connections that arrive while the event loop is busy are dropped or reset.
 */
const BACKLOG = 65_535;

/** Starts a node on the database at `url`; resolves when it serves. Adds the step that stops it to `shutdownSteps` at once. */
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
      // If the start fails, one line about the failure says more than the buffered ones.
      autoFlushLogs: false,
      abortOnError: false,
    },
  );
  shutdownSteps.push(() => app.close());
  const logger = app.get(Logger);
  app.useLogger(startLogger(logger));
  app.flushLogs();
  await setUpApp(app, config);
  if (!config.production) keepForCommands(config, logger);
  // Before the banner, whose last lines are the addresses. Of several workers one is enough.
  if (!cluster.isWorker || cluster.worker?.id === 1) await warnOfMissingUsers(app, logger);
  await app.listen({ port: config.port, host: config.host, backlog: BACKLOG });
  // The supervisor logs one banner for all workers.
  if (!cluster.isWorker) logBanner(await app.getUrl(), logger, config);
}

/** The key ring is open, so these are the settings of this installation. The node works without the file. */
function keepForCommands({ dataDir }: Config, logger: Logger): void {
  try {
    keepSettings(process.env, dataDir, VARIABLES);
  } catch (error) {
    logger.warn({ err: error }, 'DATA_DIR is not writable: give commands the settings of this node yourself');
  }
}

function logBanner(listening: string, logger: Logger, config: Config): void {
  for (const warning of configWarnings(config)) logger.warn(warning);
  for (const line of startupBanner(listening)) logger.log(line);
}

/** The service becomes ready without users too: an import or another node may add them. */
async function warnOfMissingUsers(app: NestFastifyApplication, logger: Logger): Promise<void> {
  try {
    for (const line of await app.get(FirstUsersService).missing()) logger.warn(line);
  } catch (error) {
    logger.warn({ err: error }, 'Could not check whether there is an administrator');
  }
}
