/** A row of a feature's error table: what a client is told for one `code`. */
export interface ProblemKind {
  readonly status: number;
  /** Public text, the same for every occurrence. Dull on purpose: it helps a client, not an attacker. */
  readonly title: string;
}

/** One rejected field of a request. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

export interface ProblemOptions {
  /** For people; public. Defaults to the title. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** Response headers, such as `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For the log alone. */
  readonly cause?: unknown;
}

/** A refusal on its way to the client as `application/problem+json` (RFC 9457). */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly code: string,
    kind: ProblemKind,
    options: ProblemOptions = {},
  ) {
    // Nobody reads where a refusal came from, and to find out costs time: in a flood there are many.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(options.detail ?? kind.title, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.status = kind.status;
    this.title = kind.title;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
  }
}

/** A feature's error table. */
export type ProblemTable = Readonly<Record<string, ProblemKind>>;

const declared: { readonly feature: string; readonly table: ProblemTable }[] = [];

/** Every table that has been declared so far, with the feature that owns it: for the documents. */
export function declaredProblems(): readonly { readonly feature: string; readonly table: ProblemTable }[] {
  return declared;
}

/**
 * Makes a feature's thrower from its table: `const refuse = problems('auth', AUTH_ERRORS); throw refuse('token_missing')`. The
 * table is documented under that feature.
 */
export function problems<Code extends string>(
  feature: string,
  table: Readonly<Record<Code, ProblemKind>>,
): (code: Code, options?: ProblemOptions) => Problem {
  declared.push({ feature, table });
  return (code, options) => new Problem(code, table[code], options);
}
