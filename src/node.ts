import cluster from 'node:cluster';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from 'nestjs-pino';
import { startupBanner, withoutFrameworkLines } from './common/startup-banner.js';
import { AppModule, VARIABLES } from './app.module.js';
import { fastifyAdapter, setUpApp } from './app.setup.js';
import { putEventLoopFirst } from './common/thread-priorities.js';
import { withoutStartFaults } from './common/process-output.js';
import type { Config } from './config/config.js';
import { configWarnings } from './config/config-warnings.js';
import { keepSettings } from './config/kept-settings.js';
import { FirstUsersService } from './users/first-users.service.js';

/**
 * Connections that may wait until the event loop gets to them: as many as the system allows, which takes the lower of this and its own
 * limit. With fewer, whoever comes while it is busy for a moment is lost, or reset where the kernel answers by SYN cookies.
 */
const BACKLOG = 65_535;

/** Starts a node on the database at `url`; resolves when it serves. What ends it is added to `begun` as soon as there is any. */
export async function startNode(
  config: Config,
  url: string,
  begun: (() => Promise<unknown>)[],
): Promise<void> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(config, url),
    fastifyAdapter(config),
    {
      bufferLogs: true,
      // What is buffered when the start fails says less than the one line about that.
      autoFlushLogs: false,
      abortOnError: false,
    },
  );
  begun.push(() => app.close());
  app.useLogger(withoutStartFaults(withoutFrameworkLines(app.get(Logger))));
  app.flushLogs();
  await setUpApp(app, config);
  if (!config.production) keepForCommands(config, app.get(Logger));
  await app.listen({ port: config.port, host: config.host, backlog: BACKLOG });
  // The pool has its threads by now: the start has used it.
  putEventLoopFirst();
  // A supervisor speaks for its workers, of what it knows.
  if (!cluster.isWorker) announce(await app.getUrl(), app.get(Logger), config);
  if (!cluster.isWorker || cluster.worker?.id === 1) await warnOfMissingUsers(app);
}

/** The key ring is open by now, so these are the settings of this installation. A node can do without the file. */
function keepForCommands({ dataDir }: Config, logger: Logger): void {
  try {
    keepSettings(process.env, dataDir, VARIABLES);
  } catch (error) {
    logger.warn({ err: error }, 'DATA_DIR could not be written: commands need the settings of this node');
  }
}

function announce(listening: string, logger: Logger, config: Config): void {
  for (const warning of configWarnings(config)) logger.warn(warning);
  for (const line of startupBanner(listening)) logger.log(line);
}

/** The service is ready all the same: users may come by import, or from another node. */
async function warnOfMissingUsers(app: NestFastifyApplication): Promise<void> {
  try {
    for (const line of await app.get(FirstUsersService).missing()) app.get(Logger).warn(line);
  } catch (error) {
    app.get(Logger).warn({ err: error }, 'whether there is an administrator is not known yet');
  }
}
