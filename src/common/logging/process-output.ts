import { pino } from 'pino';
import { ConfigurationError } from '../../config/config.js';
import { loggedError, loggedErrorText } from './logged-error.js';
import { Problem } from '../http/problem.js';

/** Why a process cannot start, without anything that a log must not contain. */
export interface StartFaults {
  /** One line for each fault. */
  readonly lines: readonly string[];
  readonly stack: string;
}

const LEVELS_WITH_STACK = ['debug', 'trace'];

export function startFaults(error: unknown): StartFaults {
  const faults = error instanceof ConfigurationError ? error.faults : [faultOf(error)];
  return {
    lines: faults.map((line) => line.trim().replaceAll(/\s*\n\s*/g, ' ')),
    stack: loggedErrorText(error),
  };
}

/**
 * Writes one line for each fault: JSON to standard output in production, where the logs go, otherwise text to standard error. Adds the
 * stack at LOG_LEVEL debug or trace. Needs no valid settings and writes at every LOG_LEVEL.
 */
export function writeStartFaults({ lines, stack }: StartFaults, env: NodeJS.ProcessEnv = process.env): void {
  const more = LEVELS_WITH_STACK.includes(env['LOG_LEVEL'] ?? '') ? { stack } : {};
  if (env['NODE_ENV'] === 'production') {
    const logger = pino({ level: 'fatal' }, process.stdout);
    for (const line of lines) logger.fatal(more, line);
    return;
  }
  for (const line of [...lines, ...Object.values(more)]) process.stderr.write(`${line}\n`);
}

/** Writes an uncaught error with its stack, in the same form as {@link writeStartFaults}. */
export function writeUncaught(what: string, error: unknown, env: NodeJS.ProcessEnv = process.env): void {
  if (env['NODE_ENV'] === 'production') pino(process.stdout).fatal({ err: loggedError(error) }, what);
  else process.stderr.write(`${what}: ${loggedErrorText(error)}\n`);
}

/** Returns what an operator needs to know about an error, in one line. A problem hides the reason from clients in its cause. */
export function faultOf(error: unknown): string {
  if (error instanceof Problem && error.cause !== undefined) return faultOf(error.cause);
  // Node throws it if one name has several addresses. It has no message of its own.
  if (error instanceof AggregateError) return [...new Set(error.errors.map(faultOf))].join('; ');
  const { message, code } = loggedError(error) ?? { message: 'no error' };
  // These messages quote the names in a certificate and the host of the database: no secrets, and needed.
  if (code?.startsWith('ERR_TLS_') === true) return (error as Error).message;
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

/** True if the reader closed the output, as `head` does after its last line. */
export function isClosedOutput(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'EPIPE';
}

/**
 * Calls `end` when a program cannot write to stdout any more: with 0 if the reader closed it, otherwise with 1 after writing the
 * reason to stderr. Ignores a closed stderr, because nobody reads it.
 */
export function exitOnClosedOutput(end: (code: number) => unknown): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: Error) => {
    if (isClosedOutput(error)) return void end(0);
    process.stderr.write(`The output cannot be written: ${error.message}\n`);
    return void end(1);
  });
}
