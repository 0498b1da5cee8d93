import { ApiResponse } from '@nestjs/swagger';
import type { ProblemKind } from './problem.js';

interface Example {
  readonly summary: string;
  readonly value: object;
}

const documented = new WeakMap<object, Map<number, Record<string, Example>>>();

/**
 * Documents refusals of an operation, or of all operations of a controller, with an example of each. Several of these
 * decorators on one thing add up.
 */
export function ApiProblems<Code extends string>(
  table: Readonly<Record<Code, ProblemKind>>,
  ...codes: readonly Code[]
): MethodDecorator & ClassDecorator {
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => {
    const owner = (descriptor?.value as object | undefined) ?? target;
    const statuses = documented.get(owner) ?? new Map<number, Record<string, Example>>();
    documented.set(owner, statuses);
    for (const code of codes) {
      const { status, title } = table[code];
      const examples = { ...statuses.get(status), [code]: problemExample(code, { status, title }) };
      statuses.set(status, examples);
      const response = ApiResponse({
        status,
        // Swagger joins the descriptions of one status, and lets the last content count.
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

/** What a client sees of one refusal, for the description. */
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
