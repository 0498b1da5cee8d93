import { applyDecorators } from '@nestjs/common';
import { ApiSecurity } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import { TOKEN_ONLY_EXTENSION } from '../../../auth/auth.decorators.js';
import { ApiProblems, problemExample } from '../../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../../common/common.errors.js';
import { TOKEN_ERRORS } from '../../../tokens/tokens.errors.js';
import { SESSION_ERRORS } from '../sessions.errors.js';

/** The name of the security scheme in the description. */
export const SESSION_SCHEME = 'session';

/** Documents a route that takes a session cookie only, and how it refuses callers without one. */
export const ApiSession = () =>
  applyDecorators(
    ApiSecurity(SESSION_SCHEME),
    ApiProblems(TOKEN_ERRORS, 'token_missing'),
    ApiProblems(SESSION_ERRORS, 'session_invalid', 'sessions_brownout', 'sessions_removed'),
    ApiProblems(COMMON_ERRORS, 'cross_site_request', 'service_unavailable'),
  );

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

const READING = ['get', 'head'] as const;
const CHANGING = ['post', 'put', 'patch', 'delete'] as const;

/** The 401s of a session cookie. */
const REFUSALS = ['session_invalid', 'sessions_brownout', 'sessions_removed'] as const;

/**
 * Adds to the description of all calls that take an access token: the session cookie as an alternative, and how it is refused.
 */
export function describeSessions(document: OpenAPIObject): void {
  const components = (document.components ??= {});
  components.securitySchemes = {
    ...components.securitySchemes,
    [SESSION_SCHEME]: {
      type: 'apiKey',
      in: 'cookie',
      name: 'session_id',
      description:
        'The cookie of `/api/login`, with the name in SESSION_COOKIE_NAME; until sessions are removed',
    },
  };
  for (const item of Object.values(document.paths)) {
    for (const method of READING) addSession(item[method], false);
    for (const method of CHANGING) addSession(item[method], true);
  }
}

function addSession(operation: Operation | undefined, changes: boolean): void {
  const byToken = operation?.security?.some((scheme) => 'bearer' in scheme) ?? false;
  if (operation === undefined || !byToken || TOKEN_ONLY_EXTENSION in operation) return;
  operation.security = [...operation.security!, { [SESSION_SCHEME]: [] }];
  for (const code of REFUSALS) addExample(operation, code, SESSION_ERRORS[code]);
  if (changes) addExample(operation, 'cross_site_request', COMMON_ERRORS.cross_site_request);
}

function addExample(operation: Operation, code: string, kind: { status: number; title: string }): void {
  const responses = operation.responses as Record<string, DescribedResponse | undefined>;
  const known = responses[kind.status];
  const content = known?.content?.['application/problem+json'];
  responses[kind.status] = {
    description: [known?.description, `\`${code}\`: ${kind.title}`].filter(Boolean).join('\n\n'),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: { ...content?.examples, [code]: problemExample(code, kind) },
      },
    },
  };
}

interface DescribedResponse {
  readonly description: string;
  readonly content?: Record<string, { schema: object; examples?: Record<string, object> }>;
}
