import cluster from 'node:cluster';
import { startFaults, writeStartFaults, writeUncaught } from './common/process-output.js';
import type { Config } from './config/config.js';
import { ConfigurationError } from './config/configuration-error.js';
import { loadDotenv } from './config/dotenv.js';
import { Environment } from './config/environment.js';
import { loadConfig } from './config/load-config.js';
import { ensureEmbeddedPostgres } from './database/embedded/embedded-postgres.js';

/** The exit code of a start that was refused because of how the service is set up (sysexits.h, EX_CONFIG). */
const EX_CONFIG = 78;

/** Whether a supervisor has started this process. */
const SUPERVISED = cluster.isWorker;

/** How long a stop may take, in milliseconds: a little more than the requests in flight get, and a supervisor's workers. */
const STOP_WITHIN = SUPERVISED ? 13_000 : 15_000;

/** What this process has begun, in that order: it ends in the opposite one, for PostgreSQL has to outlast the requests. */
const begun: (() => Promise<unknown>)[] = [];

let stopping = false;

/** Starts a node, or a supervisor of several, and on the embedded database the server too if nobody else has. */
async function start(config: Config): Promise<void> {
  const url = config.databaseUrl ?? (await embeddedUrl(config));
  if (SUPERVISED || config.workers === 1) {
    // Loaded by those that need it: a supervisor stays small.
    const { startNode } = await import('./node.js');
    return startNode(config, url, begun);
  }
  const { Supervisor } = await import('./cluster/supervisor.js');
  const supervisor = new Supervisor(config, stop);
  begun.push(() => supervisor.end());
  supervisor.start();
}

/**
 * The settings of this process. A supervisor needs those of the service only, and stays small without the features, whose settings its
 * workers check. If a setting of the service is at fault, those of the features are checked too, so that every fault is reported.
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
  const { VARIABLES } = await import('./app.module.js');
  return settingsFor(VARIABLES);
}

function settingsFor(variables: typeof Environment): Config {
  loadDotenv(process.cwd(), process.env, variables);
  return loadConfig(process.env, process.cwd(), variables);
}

async function embeddedUrl(config: Config): Promise<string> {
  const server = ensureEmbeddedPostgres(config.dataDir, (line) => process.stderr.write(`${line}\n`));
  // Before it is there: a signal during the start must not leave it behind.
  begun.push(() =>
    server.then(
      (running) => running.release(),
      () => undefined,
    ),
  );
  return (await server).url;
}

/** Ends the process once, with `code` or with 1 if ending fails or takes too long; a link to nowhere must not keep it. */
function stop(code: number): void {
  if (stopping) return;
  stopping = true;
  setTimeout(() => process.exit(1), STOP_WITHIN);
  endAll().then(
    () => process.exit(code),
    () => process.exit(1),
  );
}

async function endAll(): Promise<void> {
  for (const end of begun.toReversed()) await end();
}

function refuseToStart(error: unknown): void {
  // What breaks while the node is being stopped is no fault of its set-up.
  if (stopping) return;
  const faults = startFaults(error);
  const code = error instanceof ConfigurationError ? EX_CONFIG : 1;
  // The supervisor writes the faults that its workers share once.
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

// Node would print the error with all that a library attached to it, such as the values of a statement.
process.on('uncaughtException', (error) => {
  writeUncaught('uncaught exception', error);
  process.exit(1);
});

try {
  await start(await settings());
} catch (error) {
  refuseToStart(error);
}
