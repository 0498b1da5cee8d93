import type { LoggerService } from '@nestjs/common';
import { pino } from 'pino';
import { ConfigurationError } from '../config/configuration-error.js';
import { loggedError, loggedErrorText } from './logged-error.js';
import { Problem } from './problem.js';

/** Why a process does not start, as far as a log may hold it. */
export interface StartFaults {
  /** One for each fault. */
  readonly lines: readonly string[];
  readonly stack: string;
}

/** The parts of Nest that log an error of the start and throw it too: while modules are made, and when the port is opened. */
const START_CONTEXTS: readonly unknown[] = ['ExceptionHandler', 'NestApplication'];

const LEVELS_WITH_STACK = ['debug', 'trace'];

export function startFaults(error: unknown): StartFaults {
  const faults = error instanceof ConfigurationError ? error.faults : [faultOf(error)];
  return {
    lines: faults.map((line) => line.trim().replaceAll(/\s*\n\s*/g, ' ')),
    stack: loggedErrorText(error),
  };
}

/**
 * Writes one line for each fault: JSON on standard output in production, where the logs are, else text on the standard error
 * stream. The stack is added at LOG_LEVEL debug only. It needs no valid settings, and writes at any LOG_LEVEL.
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

/** An error that nobody caught, with its stack, in the form of {@link writeStartFaults}. */
export function writeUncaught(what: string, error: unknown, env: NodeJS.ProcessEnv = process.env): void {
  if (env['NODE_ENV'] === 'production') pino(process.stdout).fatal({ err: loggedError(error) }, what);
  else process.stderr.write(`${what}: ${loggedErrorText(error)}\n`);
}

/** Nest logs an error of the start with its stack, and then throws it to whoever writes the line about it. */
export function withoutStartFaults(logger: LoggerService): LoggerService {
  const error: LoggerService['error'] = (message: unknown, ...more: unknown[]) => {
    if (!START_CONTEXTS.includes(more.at(-1))) logger.error(message, ...more);
  };
  return new Proxy(logger, {
    get: (target, name) => {
      if (name === 'error') return error;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** What an operator needs to know of an error, in one line. What a client must not be told is in the cause of a problem. */
export function faultOf(error: unknown): string {
  if (error instanceof Problem && error.cause !== undefined) return faultOf(error.cause);
  // Node's error for several addresses of one name has no message of its own.
  if (error instanceof AggregateError) return [...new Set(error.errors.map(faultOf))].join('; ');
  const { message, code } = loggedError(error) ?? { message: 'no error' };
  // These quote the names in a certificate and the host of the database.
  if (code?.startsWith('ERR_TLS_') === true) return (error as Error).message;
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}
