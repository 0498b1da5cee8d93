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
import type { ConflictCheck } from '../../database/schema/conflicts.js';
import { ensureEmbeddedPostgres } from '../../database/embedded/embedded-postgres.js';

/** Writes warnings and errors to stderr, one line each. Only results are written to stdout. */
const LOGGER: LoggerService = {
  log() {},
  warn: writeLog,
  error: writeLog,
};

/** How to compose the service. The command line does not know its modules. */
export interface Composition {
  /** The variables of the service and of all its features. */
  readonly variables: typeof Environment;
  /** The check for what the features would collide with in the database. Undefined: they collide with nothing. */
  conflicts?(config: Config): ConflictCheck;
  /** The service without HTTP and without background work. */
  module(config: Config, databaseUrl: string): DynamicModule;
  /** The service as a node on a free loopback port. */
  listen(config: Config, databaseUrl: string): Promise<INestApplication>;
}

/**
 * Runs the providers of the service in this process, on the database of the nodes. Starts the embedded database if it is not running. The
 * last process that uses it stops it.
 */
export class ServiceHost {
  private readonly shutdownSteps: (() => Promise<unknown>)[] = [];
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

  /** Throws ConfigurationError or KeyRingError if a node could not start with these settings either. */
  async get<T>(provider: Type<T> | symbol): Promise<T> {
    this.app ??= this.open();
    return (await this.app).get<T>(provider, { strict: false });
  }

  /** The check for what the features would collide with in the database. Throws ConfigurationError. */
  get conflicts(): ConflictCheck | undefined {
    return this.composition.conflicts?.(this.config);
  }

  /** Starts the embedded database if `DATABASE_URL` is unset and it is not running. */
  databaseUrl(): Promise<string> {
    const { databaseUrl, dataDir } = this.config;
    this.url ??= databaseUrl === undefined ? this.embedded(dataDir) : Promise.resolve(databaseUrl);
    return this.url;
  }

  /** Serves HTTP in this process and returns the URL. Call it before the first {@link get}. */
  async listen(): Promise<string> {
    const node = this.databaseUrl().then((url) => this.composition.listen(this.config, url));
    this.app ??= node;
    this.shutdownSteps.push(async () => (await node).close());
    return (await node).getUrl();
  }

  /** Stops everything that was started. Later calls do nothing. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      // Work that the shutdown interrupts must not log errors.
      Logger.overrideLogger(false);
      for (const step of this.shutdownSteps.toReversed()) await step();
    })();
    return this.closing;
  }

  private async open(): Promise<INestApplicationContext> {
    const module = this.composition.module(this.config, await this.databaseUrl());
    const app = await NestFactory.createApplicationContext(module, { logger: LOGGER, abortOnError: false });
    this.shutdownSteps.push(() => app.close());
    return app;
  }

  private async embedded(dataDir: string): Promise<string> {
    const server = ensureEmbeddedPostgres(dataDir, () => undefined);
    // Added before the server runs: a signal during the start must stop it too.
    this.shutdownSteps.push(() =>
      server.then(
        (running) => running.release(),
        () => undefined,
      ),
    );
    return (await server).url;
  }
}

function writeLog(message: unknown, ...rest: unknown[]): void {
  const text = [message, ...rest].find((part) => typeof part === 'string') ?? '';
  const { err } = (message ?? {}) as { err?: unknown };
  process.stderr.write(`${text}${err instanceof Error ? `: ${err.message}` : ''}\n`);
}
