import { HttpException } from '@nestjs/common';

/** A row of a feature's error table: the status and public text of one `code`. */
export interface ProblemKind {
  readonly status: number;
  /** Public text, the same for every occurrence. It is dull, so that it tells an attacker nothing. */
  readonly title: string;
}

/** One rejected field of a request. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

export interface ProblemOptions {
  /** Public text for people. Default: the title. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** Further members of the problem (RFC 9457, section 3.2). */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Response headers, such as `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The cause, which goes only to the log. */
  readonly cause?: unknown;
}

/** An error that the client gets as `application/problem+json` (RFC 9457). Its message is the `detail`. */
export class Problem extends HttpException {
  readonly title: string;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    readonly code: string,
    { status, title }: ProblemKind,
    { detail, errors, headers, members, cause }: ProblemOptions = {},
  ) {
    // Nobody reads the stack of a refusal, and collecting it takes time: in a flood there are many refusals.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(detail ?? title, status, { cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.title = title;
    this.errors = errors;
    this.headers = headers ?? {};
    this.members = members ?? {};
  }
}

/** A feature's error table, by code. */
export type ProblemTable = Readonly<Record<string, ProblemKind>>;

/** An error table and the feature that owns it, for the generated documents. */
export interface FeatureErrors {
  readonly feature: string;
  readonly table: ProblemTable;
}

/** Makes a feature's constructor of problems from its table: `const refuse = problems(AUTH_ERRORS); throw refuse('token_missing')`. */
export function problems<Code extends string>(
  table: Readonly<Record<Code, ProblemKind>>,
): (code: Code, options?: ProblemOptions) => Problem {
  return (code, options) => new Problem(code, table[code], options);
}
