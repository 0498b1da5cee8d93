import { ApiResponse } from '@nestjs/swagger';
import type { ProblemKind } from './problem.js';

interface Example {
  readonly summary: string;
  readonly value: object;
}

/** The examples of an operation or a controller, by status and code. */
type Examples = Readonly<Record<number, Readonly<Record<string, Example>>>>;

const EXAMPLES = 'common:problem-examples';

/**
 * Documents refusals of an operation, or of all operations of a controller, with an example of each. Several of these decorators on
 * one operation add up.
 */
export function ApiProblems<Code extends string>(
  table: Readonly<Record<Code, ProblemKind>>,
  ...codes: readonly Code[]
): MethodDecorator & ClassDecorator {
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => {
    const owner = (descriptor?.value as object | undefined) ?? target;
    for (const code of codes) {
      const { status, title } = table[code];
      const all = (Reflect.getOwnMetadata(EXAMPLES, owner) ?? {}) as Examples;
      const examples = { ...all[status], [code]: problemExample(code, { status, title }) };
      Reflect.defineMetadata(EXAMPLES, { ...all, [status]: examples }, owner);
      const response = ApiResponse({
        status,
        // Swagger joins the descriptions of one status and keeps the last content.
        description: `\`${code}\`: ${title}`,
        content: {
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' }, examples },
        },
      });
      if (key === undefined) response(target as never);
      else response(target, key, descriptor!);
    }
  };
}

/** An example of one refusal as a client sees it. */
export function problemExample(code: string, { status, title }: ProblemKind): Example {
  const value = { type: `urn:tandem:error:${code}`, title, status, detail: title, code, request_id: 'req-1' };
  return {
    summary: title,
    value:
      code === 'validation_failed'
        ? { ...value, errors: [{ field: 'username', message: 'username must be a string' }] }
        : value,
  };
}
