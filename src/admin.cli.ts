import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { commandsIn } from './admin/cli/admin-command.js';
import { runProgram } from './admin/cli/run-program.js';
import { ServiceHost } from './admin/cli/service-host.js';
import type { Composition } from './admin/cli/service-host.js';
import { AppModule, FEATURES, VARIABLES, conflictsOf } from './app.module.js';
import { fastifyAdapter, setUpApp } from './app.setup.js';
import { exitOnClosedOutput } from './common/logging/process-output.js';

/** The timeout of the shutdown: an unreachable database must not keep the command running. */
const STOP_TIMEOUT_MS = 15_000;

const composition: Composition = {
  variables: VARIABLES,
  conflicts: conflictsOf,
  module: (config, url) => AppModule.forCommands(config, url),
  async listen(config, url) {
    const module = AppModule.forCommands({ ...config, logLevel: 'silent' }, url);
    const app = await NestFactory.create<NestFastifyApplication>(module, fastifyAdapter(config), {
      logger: false,
      abortOnError: false,
    });
    await setUpApp(app, config);
    await app.listen(0, '127.0.0.1');
    return app;
  },
};

const host = new ServiceHost(composition);

async function stop(code: number): Promise<never> {
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  await host.close().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    code ||= 1;
  });
  process.exit(code);
}

// 128 plus the signal number, like a shell.
process.on('SIGINT', () => void stop(130));
process.on('SIGTERM', () => void stop(143));
exitOnClosedOutput(stop);

await stop(await runProgram(process.argv.slice(2), commandsIn(FEATURES), { host, features: FEATURES }));
