import { applyDecorators } from '@nestjs/common';
import { ApiSecurity } from '@nestjs/swagger';
import { ApiProblems } from '../../../common/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../../common/common.errors.js';
import { TOKEN_ERRORS } from '../../../tokens/tokens.errors.js';
import { SESSION_ERRORS } from '../sessions.errors.js';

/** The name of the security scheme in the description. */
export const SESSION_SCHEME = 'session';

/** Documents a route that takes a session cookie alone, and how it refuses callers without. */
export const ApiSession = () =>
  applyDecorators(
    ApiSecurity(SESSION_SCHEME),
    ApiProblems(TOKEN_ERRORS, 'token_missing'),
    ApiProblems(SESSION_ERRORS, 'session_invalid', 'sessions_brownout', 'sessions_removed'),
    ApiProblems(COMMON_ERRORS, 'cross_site_request', 'service_unavailable'),
  );
