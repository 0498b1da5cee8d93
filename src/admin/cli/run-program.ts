import type { Type } from '@nestjs/common';
import { Command, CommanderError } from 'commander';
import { isClosedOutput } from '../../common/process-output.js';
import { Problem } from '../../common/problem.js';
import { ConfigurationError } from '../../config/configuration-error.js';
import { KeyRingError } from '../../tokens/keys/key-ring.js';
import type { AdminCommandClass, Run, Surroundings } from './admin-command.js';
import { Terminal } from './terminal.js';

/** What a run ends with. */
export const EXIT = { done: 0, failed: 1, usage: 2, configuration: 78 } as const;

const ABOUT =
  'Administers Tandem from the command line, beside running nodes: they follow within a second.\n\n' +
  'Settings come from the environment and .env, as for a node. Outside production, those that are unset are as the ' +
  'last node under DATA_DIR was started with. The embedded database is started for as long as it takes if no node runs.';

const EXAMPLES = `
Examples:
  npm run admin -- users create ada --role admin     asks for the password
  npm run admin -- tokens revoke --user ada          every login of that user ends
  npm run -s admin -- audit list --event login --json | jq '.events[].ip'
  npm run admin -- doctor                            what would break this deployment

Exit codes: 0 done, 1 failed, 2 not understood, 78 the configuration does not allow a start.`;

/** Runs what was typed and says what the process is to exit with. Never throws. */
export async function runProgram(
  args: readonly string[],
  commands: readonly AdminCommandClass[],
  { host, features }: Omit<Surroundings, 'run'>,
): Promise<number> {
  let code: number = EXIT.done;
  const program = newProgram();
  const runner =
    <T>(command: () => Promise<T>): Run<T> =>
    (work) =>
    async (...typed) => {
      const terminal = new Terminal(program.opts<{ json?: boolean }>().json === true);
      code = (await work(await command(), terminal, ...typed)) ?? EXIT.done;
    };
  const surroundings = { host, features, run: runner(async () => undefined) };
  for (const command of commands) {
    command.describe(
      program,
      runner(() => host.get(command as Type<unknown>)),
      surroundings,
    );
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    code = codeOf(error);
  }
  return code;
}

function newProgram(): Command {
  return new Command('npm run admin --')
    .usage('<command> …')
    .description(ABOUT)
    .option('--json', 'results as JSON, for programs')
    .addHelpText('after', EXAMPLES)
    .configureHelp({ sortSubcommands: true, showGlobalOptions: true })
    .showSuggestionAfterError()
    .showHelpAfterError('(--help says more)')
    .exitOverride();
}

/** Tells the person what went wrong, and returns the exit code. */
function codeOf(error: unknown): number {
  if (error instanceof CommanderError) {
    // commander has said it; help that was asked for is no error.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  if (isClosedOutput(error)) return EXIT.done;
  const setUp = error instanceof ConfigurationError || error instanceof KeyRingError;
  for (const line of linesOf(error)) process.stderr.write(`${line}\n`);
  return setUp ? EXIT.configuration : EXIT.failed;
}

/** What a client must not be told, whoever runs the command should be. */
function linesOf(error: unknown): readonly string[] {
  if (error instanceof ConfigurationError) return error.faults;
  if (error instanceof Problem) {
    if (error.errors !== undefined) return error.errors.map(({ message }) => message);
    return error.cause === undefined ? [error.message] : linesOf(error.cause);
  }
  return [error instanceof Error ? error.message : String(error)];
}
