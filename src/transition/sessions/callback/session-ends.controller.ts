import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated, Roles, ServiceClientsWith } from '../../../auth/auth.decorators.js';
import { originOf } from '../../../auth/http/request-origin.js';
import { ApiProblems } from '../../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../../common/common.errors.js';
import { OAUTH_ERRORS } from '../../../oauth/oauth.errors.js';
import { SESSION } from './callback-answer.js';
import { SessionEndsService } from './session-ends.service.js';

export class EndedSessionDto {
  @ApiProperty({ example: '5f0c3a7e', description: 'The id that the callback gives the session' })
  @Matches(SESSION, { message: 'session must be 1 to 255 visible ASCII characters' })
  session!: string;
}

/** What a product reports about its sessions. */
@ApiTags('For other services')
@Controller('oauth/sessions')
export class SessionEndsController {
  constructor(private readonly ends: SessionEndsService) {}

  @Post('ended')
  @HttpCode(204)
  @Roles('admin')
  @ServiceClientsWith('sessions')
  @ApiAuthenticated()
  @ApiOperation({
    summary: 'Report an ended session',
    description:
      'For a product with `SESSION_STORE=callback`, whose sessions Tandem cannot see. Revokes the session here and the token family ' +
      'that is linked to it. Safe to repeat. Also open to service clients with the scope `sessions` (HTTP Basic).',
    deprecated: true,
  })
  @ApiNoContentResponse()
  @ApiProblems(
    COMMON_ERRORS,
    'validation_failed',
    'malformed_request',
    'forbidden',
    'not_found',
    'rate_limited',
  )
  @ApiProblems(OAUTH_ERRORS, 'invalid_client', 'insufficient_scope')
  ended(@Req() request: FastifyRequest, @Body() { session }: EndedSessionDto): Promise<void> {
    return this.ends.end(session, originOf(request));
  }
}
