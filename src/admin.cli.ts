import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { commandsIn } from './admin/cli/admin-command.js';
import { runProgram } from './admin/cli/run-program.js';
import { ServiceHost } from './admin/cli/service-host.js';
import type { Composition } from './admin/cli/service-host.js';
import { AppModule, FEATURES, VARIABLES } from './app.module.js';
import { fastifyAdapter, setUpApp } from './app.setup.js';
import { exitOnClosedOutput } from './common/process-output.js';

/** How long ending may take, in milliseconds: a link to nowhere must not keep the command. */
const END_WITHIN = 15_000;

const composition: Composition = {
  variables: VARIABLES,
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

async function end(code: number): Promise<never> {
  setTimeout(() => process.exit(1), END_WITHIN).unref();
  await host.close().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    code ||= 1;
  });
  process.exit(code);
}

// 128 and the signal's number, as a shell says it.
process.on('SIGINT', () => void end(130));
process.on('SIGTERM', () => void end(143));
exitOnClosedOutput(end);

await end(await runProgram(process.argv.slice(2), commandsIn(FEATURES), { host, features: FEATURES }));
