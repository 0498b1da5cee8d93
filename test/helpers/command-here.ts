import { vi } from 'vitest';
import { commandsIn } from '../../src/admin/cli/admin-command.js';
import { runProgram } from '../../src/admin/cli/run-program.js';
import { ServiceHost } from '../../src/admin/cli/service-host.js';
import { AppModule, FEATURES, VARIABLES, conflictsOf } from '../../src/app.module.js';
import type { Ran } from './command-line.js';

type Settings = Readonly<Record<string, string | undefined>>;

/** Passes a host of the command line in this process to `work`. `settings` are environment variables until `vi.unstubAllEnvs()`. */
export async function withHost<T>(settings: Settings, work: (host: ServiceHost) => Promise<T>): Promise<T> {
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value);
  const host = new ServiceHost({
    variables: VARIABLES,
    conflicts: conflictsOf,
    module: (config, url) => AppModule.forCommands(config, url),
    listen: () => Promise.reject(new Error('these commands need no HTTP')),
  });
  try {
    return await work(host);
  } finally {
    await host.close();
  }
}

/** Runs the command line in this process, as {@link withHost}. It ends the connections of the nodes of this process. */
export async function runHere(args: readonly string[], settings: Settings): Promise<Ran> {
  const printed = { out: '', err: '' };
  const write = (stream: 'out' | 'err') =>
    ((text: string, done?: () => void) => {
      printed[stream] += text;
      done?.();
      return true;
    }) as never;
  vi.spyOn(process.stdout, 'write').mockImplementation(write('out'));
  vi.spyOn(process.stderr, 'write').mockImplementation(write('err'));
  try {
    const code = await withHost(settings, (host) =>
      runProgram(args, commandsIn(FEATURES), { host, features: FEATURES }),
    );
    return { code, ...printed };
  } finally {
    vi.restoreAllMocks();
  }
}
