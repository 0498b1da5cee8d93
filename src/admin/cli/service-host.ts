import { NestFactory } from '@nestjs/core';
import type { DynamicModule, INestApplicationContext, LoggerService, Type } from '@nestjs/common';
import type { Config } from '../../config/config.js';
import { loadDotenv } from '../../config/dotenv.js';
import { loadConfig } from '../../config/load-config.js';
import { ensureEmbeddedPostgres } from '../../database/embedded-postgres.js';

/** Warnings and errors go to stderr in one line each: stdout belongs to results. */
const LOGGER: LoggerService = {
  log() {},
  warn: tell,
  error: tell,
};

/**
 * The service's own providers in this process, without HTTP and without the work that nodes do by themselves, on the same
 * database: on the embedded one an attached server, started if none runs and stopped again by whoever uses it last.
 */
export class ServiceHost {
  private readonly begun: (() => Promise<unknown>)[] = [];
  private app: Promise<INestApplicationContext> | undefined;
  private closing: Promise<void> | undefined;

  constructor(private readonly root: (config: Config, url: string) => DynamicModule) {}

  /** Throws ConfigurationError or KeyRingError where a node would refuse to start, too. */
  async get<T>(provider: Type<T>): Promise<T> {
    this.app ??= this.open();
    return (await this.app).get(provider, { strict: false });
  }

  /** Ends what has begun, once. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      for (const end of this.begun.toReversed()) await end();
    })();
    return this.closing;
  }

  private async open(): Promise<INestApplicationContext> {
    loadDotenv();
    const config = loadConfig();
    const app = await NestFactory.createApplicationContext(
      this.root(config, config.databaseUrl ?? (await this.embedded(config))),
      { logger: LOGGER, abortOnError: false },
    );
    this.begun.push(() => app.close());
    return app;
  }

  private async embedded(config: Config): Promise<string> {
    const server = ensureEmbeddedPostgres(config.dataDir, () => undefined);
    // Before it is there: a signal meanwhile must not leave it behind.
    this.begun.push(() =>
      server.then(
        (running) => running.release(),
        () => undefined,
      ),
    );
    return (await server).url;
  }
}

function tell(message: unknown, ...rest: unknown[]): void {
  const text = [message, ...rest].find((part) => typeof part === 'string') ?? '';
  const { err } = (message ?? {}) as { err?: unknown };
  process.stderr.write(`${text}${err instanceof Error ? `: ${err.message}` : ''}\n`);
}
