/** What may stand for a secret, wherever it stands in what is logged. Exact names, in lower case as Node has headers. */
const SECRETS = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'cookies',
  'set-cookie',
  'body',
  'parameters',
  'password',
  'current_password',
  'new_password',
  'access_token',
  'refresh_token',
  'token',
  'secret',
  'client_secret',
];

/** Pino's paths of everything secret, three levels deep. */
export const REDACTED = SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);

export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  readonly cause: LoggedError | undefined;
}

/** Causes of causes beyond this are left out. */
const MAX_DEPTH = 5;

/**
 * What the log holds of an error: name, message, stack, code and causes, and nothing that a library attached, such as the
 * parameters of a statement. The message of a SyntaxError quotes the text that was parsed, so it is left out.
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
  const { code } = error as { code?: unknown };
  const quotes = error instanceof SyntaxError;
  return {
    type: error.name === 'Error' ? error.constructor.name : error.name,
    message: quotes ? 'text that could not be parsed' : error.message,
    stack: quotes ? framesOf(error) : error.stack,
    code: typeof code === 'string' ? code : undefined,
    cause: loggedError(error.cause, depth + 1),
  };
}

/** The stack without the message that it begins with. */
function framesOf(error: Error): string | undefined {
  return error.stack?.slice(error.stack.search(/^\s+at /m));
}
