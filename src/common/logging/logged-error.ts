/** The form of an error in the log. */
export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  readonly cause: LoggedError | undefined;
}

/** The log omits deeper causes. */
const MAX_DEPTH = 5;

/** Replaces a message that may quote input. */
const LEFT_OUT = 'message left out: it may quote input';

/** Errors of the engine and of Node. Their messages quote the wrong value. */
const BUILT_IN = [SyntaxError, TypeError, RangeError, ReferenceError, URIError, EvalError, DOMException];

/** The parts of such messages that quote no value and name the kind of bug. */
const HARMLESS =
  /^Cannot (?:read|set) properties of (?:undefined|null)|is not (?:a function|a constructor|defined)$/;

/** SQLSTATE classes whose messages quote values: data exceptions, and errors that a product's trigger raises. */
const QUOTING_SQLSTATE = /^(?:22|P0)[0-9A-Z]{3}$/;

/**
 * Name, message, stack, code and causes of an error. Omits everything that a library attached, such as the parameters of a statement or
 * PostgreSQL's DETAIL. Omits a message that may quote input, in the stack too.
 */
export function loggedError(error: unknown, depth = 0): LoggedError | undefined {
  if (error === undefined || error === null || depth > MAX_DEPTH) return undefined;
  if (!(error instanceof Error)) {
    return {
      type: typeof error,
      message: 'not an Error',
      stack: undefined,
      code: undefined,
      cause: undefined,
    };
  }
  const code = codeOf(error);
  const type = error.name === 'Error' ? error.constructor.name : error.name;
  const message = messageOf(error, code);
  return {
    type,
    message,
    stack: [`${type}: ${message}`, ...framesOf(error)].join('\n'),
    code,
    cause: loggedError(error.cause, depth + 1),
  };
}

/** Returns {@link loggedError} as text, for an uncaught error on the standard error stream. */
export function loggedErrorText(error: unknown): string {
  const lines: string[] = [];
  for (let logged = loggedError(error); logged !== undefined; logged = logged.cause) {
    lines.push(logged.stack ?? `${logged.type}: ${logged.message}`);
  }
  return lines.join('\ncaused by ');
}

function codeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : undefined;
}

function messageOf(error: Error, code = ''): string {
  const quotes =
    BUILT_IN.some((kind) => error instanceof kind) || code.startsWith('ERR_') || QUOTING_SQLSTATE.test(code);
  return quotes ? (HARMLESS.exec(error.message)?.[0] ?? LEFT_OUT) : error.message;
}

/** The lines of the stack after the message. The message itself may have lines that look like frames. */
function framesOf({ message, stack = '' }: Error): string[] {
  const at = stack.indexOf(message);
  const frames = at === -1 ? '' : stack.slice(at + message.length);
  return frames.split('\n').filter((line) => /^\s+at /.test(line));
}
