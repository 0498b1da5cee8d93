import { Logger } from '@nestjs/common';
import type {
  DynamicModule,
  INestApplication,
  INestApplicationContext,
  LoggerService,
  Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Config } from '../../config/config.js';
import { loadDotenv } from '../../config/dotenv.js';
import type { Environment } from '../../config/environment.js';
import { loadCommandConfig } from '../../config/load-config.js';
import { ensureEmbeddedPostgres } from '../../database/embedded/embedded-postgres.js';

/** Warnings and errors go to stderr in one line each: stdout belongs to results. */
const LOGGER: LoggerService = {
  log() {},
  warn: tell,
  error: tell,
};

/** How the service is put together; the command line does not know of what. */
export interface Composition {
  /** The variables of the service and of all its features. */
  readonly variables: typeof Environment;
  /** Without HTTP, and without the work that nodes do by themselves. */
  module(config: Config, databaseUrl: string): DynamicModule;
  /** The same as a node on a free port of loopback. */
  listen(config: Config, databaseUrl: string): Promise<INestApplication>;
}

/**
 * The service's own providers in this process on the database that nodes use: on the embedded one an attached server, started
 * if none runs and stopped again by whoever uses it last.
 */
export class ServiceHost {
  private readonly begun: (() => Promise<unknown>)[] = [];
  private app: Promise<INestApplicationContext> | undefined;
  private url: Promise<string> | undefined;
  private settings: Config | undefined;
  private closing: Promise<void> | undefined;

  constructor(private readonly composition: Composition) {}

  /** Throws ConfigurationError. */
  get config(): Config {
    if (this.settings === undefined) {
      const { variables } = this.composition;
      loadDotenv(process.cwd(), process.env, variables);
      this.settings = loadCommandConfig(process.env, process.cwd(), variables);
    }
    return this.settings;
  }

  /** Throws ConfigurationError or KeyRingError where a node would refuse to start, too. */
  async get<T>(provider: Type<T> | symbol): Promise<T> {
    this.app ??= this.open();
    return (await this.app).get<T>(provider, { strict: false });
  }

  /** Starts the embedded server if that is the one and nobody has. */
  databaseUrl(): Promise<string> {
    const { databaseUrl, dataDir } = this.config;
    this.url ??= databaseUrl === undefined ? this.embedded(dataDir) : Promise.resolve(databaseUrl);
    return this.url;
  }

  /** Has the service answer requests in this process; says where. Comes before the first {@link get}. */
  async listen(): Promise<string> {
    const node = this.databaseUrl().then((url) => this.composition.listen(this.config, url));
    this.app ??= node;
    this.begun.push(async () => (await node).close());
    return (await node).getUrl();
  }

  /** Ends what has begun, once. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      // What is cut off by the end is no news.
      Logger.overrideLogger(false);
      for (const end of this.begun.toReversed()) await end();
    })();
    return this.closing;
  }

  private async open(): Promise<INestApplicationContext> {
    const module = this.composition.module(this.config, await this.databaseUrl());
    const app = await NestFactory.createApplicationContext(module, { logger: LOGGER, abortOnError: false });
    this.begun.push(() => app.close());
    return app;
  }

  private async embedded(dataDir: string): Promise<string> {
    const server = ensureEmbeddedPostgres(dataDir, () => undefined);
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
