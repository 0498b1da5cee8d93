import { applyDecorators } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { ApiProblems } from '../common/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { TOKEN_ERRORS } from '../tokens/tokens.errors.js';

/** Documents a route, or a controller, that is closed to callers without a valid access token, and how it refuses them. */
export const ApiAuthenticated = () =>
  applyDecorators(
    ApiBearerAuth(),
    ApiProblems(
      TOKEN_ERRORS,
      'token_missing',
      'token_malformed',
      'token_invalid',
      'token_expired',
      'token_revoked',
    ),
    ApiProblems(COMMON_ERRORS, 'service_unavailable'),
  );
