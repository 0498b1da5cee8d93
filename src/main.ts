import cluster from 'node:cluster';
import { startFaults, writeStartFaults, writeUncaught } from './common/logging/process-output.js';
import type { Config } from './config/config.js';
import { ConfigurationError } from './config/config.js';
import { loadDotenv } from './config/dotenv.js';
import { Environment } from './config/environment.js';
import { loadConfig } from './config/load-config.js';
import { ensureEmbeddedPostgres } from './database/embedded/embedded-postgres.js';
import { startTracing } from './operations/tracing/tracing.js';

/** The exit code for an invalid configuration (sysexits.h). */
const EX_CONFIG = 78;

/** Whether this process is a worker of a supervisor. */
const SUPERVISED = cluster.isWorker;

/** The timeout of a shutdown: a little longer than that of requests in flight. A supervisor waits longer than its workers. */
const STOP_TIMEOUT_MS = SUPERVISED ? 13_000 : 15_000;

/** Run in reverse order: PostgreSQL stops after the requests. */
const shutdownSteps: (() => Promise<unknown>)[] = [];

let stopping = false;

/** Starts a node, or a supervisor with several workers. Without DATABASE_URL, starts the embedded PostgreSQL too, unless it is running. */
async function start(config: Config): Promise<void> {
  const url = config.databaseUrl ?? (await embeddedUrl(config));
  if (SUPERVISED || config.workers === 1) {
    // Imported here to keep the memory of a supervisor small.
    const { startNode } = await import('./node.js');
    return startNode(config, url, shutdownSteps);
  }
  const { Supervisor } = await import('./cluster/supervisor.js');
  const supervisor = new Supervisor(config, stop);
  shutdownSteps.push(() => supervisor.stop());
  supervisor.start();
}

/**
 * Loads the settings of this process. A supervisor does not load the features, to save memory: its workers check their settings. If a
 * core setting is invalid, the settings of the features are checked too, so that all errors are reported.
 */
async function settings(): Promise<Config> {
  if (!SUPERVISED) {
    try {
      const config = settingsFor(Environment);
      if (config.workers > 1) return config;
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
    }
  }
  // Before the modules that it observes are loaded.
  const tracing = await startTracing(process.env);
  if (tracing !== undefined) shutdownSteps.push(() => tracing.shutdown());
  const { VARIABLES } = await import('./app.module.js');
  return settingsFor(VARIABLES);
}

function settingsFor(variables: typeof Environment): Config {
  loadDotenv(process.cwd(), process.env, variables);
  return loadConfig(process.env, process.cwd(), variables);
}

async function embeddedUrl(config: Config): Promise<string> {
  const server = ensureEmbeddedPostgres(config.dataDir, (line) => process.stderr.write(`${line}\n`));
  // Added before the server runs: a signal during the start must stop it too.
  shutdownSteps.push(() =>
    server.then(
      (running) => running.release(),
      () => undefined,
    ),
  );
  return (await server).url;
}

/** Exits with `code`, or with 1 if a shutdown step fails or the shutdown times out. Later calls do nothing. */
function stop(code: number): void {
  if (stopping) return;
  stopping = true;
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS);
  runShutdownSteps().then(
    () => process.exit(code),
    () => process.exit(1),
  );
}

async function runShutdownSteps(): Promise<void> {
  for (const step of shutdownSteps.toReversed()) await step();
}

function failStart(error: unknown): void {
  // A failure during shutdown says nothing about the configuration.
  if (stopping) return;
  const faults = startFaults(error);
  const code = error instanceof ConfigurationError ? EX_CONFIG : 1;
  // All workers fail for the same reason. The supervisor writes it once.
  if (SUPERVISED && process.connected) process.send!({ kind: 'start-faults', faults }, () => stop(code));
  else {
    writeStartFaults(faults);
    stop(code);
  }
}

process.on('SIGTERM', () => stop(0));
process.on('SIGINT', () => stop(0));

process.on('unhandledRejection', (error) => {
  writeUncaught('unhandled rejection', error);
});

// Node would print all properties of the error, such as the parameters of a SQL statement.
process.on('uncaughtException', (error) => {
  writeUncaught('uncaught exception', error);
  process.exit(1);
});

try {
  await start(await settings());
} catch (error) {
  failStart(error);
}
