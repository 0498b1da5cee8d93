import type { Type } from '@nestjs/common';
import { Command, CommanderError } from 'commander';
import { isClosedOutput } from '../../common/logging/process-output.js';
import { Problem } from '../../common/http/problem.js';
import { ConfigurationError } from '../../config/config.js';
import { KeyRingError } from '../../tokens/keys/key-ring.js';
import type { AdminCommandClass, Run, CommandContext } from './admin-command.js';
import { Terminal } from './terminal.js';

/** The exit codes. */
export const EXIT = { done: 0, failed: 1, usage: 2, configuration: 78 } as const;

const ABOUT =
  'Administers Tandem from the command line. Running nodes apply changes within a second.\n\n' +
  'Settings come from the environment and .env, as for a node. Outside production, an unset variable has the value that the ' +
  'last node under DATA_DIR used. If no node is running, the command starts the embedded database and stops it again.';

const EXAMPLES = `
Examples:
  npm run admin -- users create ada --role admin     asks for a password
  npm run admin -- tokens revoke --user ada          revokes all token families of a user
  npm run -s admin -- audit list --event login --json | jq '.events[].ip'
  npm run admin -- doctor                            finds problems of this deployment

Exit codes: 0 success, 1 failure, 2 usage error, 78 invalid configuration.`;

/** Runs a command line and returns the exit code. Never throws. */
export async function runProgram(
  args: readonly string[],
  commands: readonly AdminCommandClass[],
  { host, features }: Omit<CommandContext, 'run'>,
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
    .option('--json', 'print results as JSON')
    .addHelpText('after', EXAMPLES)
    .configureHelp({ sortSubcommands: true, showGlobalOptions: true })
    .showSuggestionAfterError()
    .showHelpAfterError('(see --help)')
    .exitOverride();
}

/** Writes the error to stderr and returns the exit code. */
function codeOf(error: unknown): number {
  if (error instanceof CommanderError) {
    // commander has written the message. A request for help is not an error.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  if (isClosedOutput(error)) return EXIT.done;
  const misconfigured = error instanceof ConfigurationError || error instanceof KeyRingError;
  for (const line of linesOf(error)) process.stderr.write(`${line}\n`);
  return misconfigured ? EXIT.configuration : EXIT.failed;
}

/** Operators may see the cause of a problem, which clients may not. */
function linesOf(error: unknown): readonly string[] {
  if (error instanceof ConfigurationError) return error.faults;
  if (error instanceof Problem) {
    if (error.errors !== undefined) return error.errors.map(({ message }) => message);
    return error.cause === undefined ? [error.message] : linesOf(error.cause);
  }
  return [error instanceof Error ? error.message : String(error)];
}
