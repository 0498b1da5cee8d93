import { Body, Controller, HttpCode, Post, Req, UseGuards } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { RateLimitGuard, RateLimited } from '../../limits/rate-limit.guard.js';
import { ApiAuthenticated, CurrentPrincipal } from '../auth.decorators.js';
import { ReauthenticationDto } from '../auth.dto.js';
import { AUTH_ERRORS } from '../auth.errors.js';
import { originOf } from '../http/request-origin.js';
import type { Principal } from '../principal.js';
import { FreshPasswordService } from './fresh-password.service.js';

@ApiTags('Authentication')
@Controller('auth/reauthenticate')
export class ReauthenticationController {
  constructor(private readonly passwords: FreshPasswordService) {}

  @Post()
  @HttpCode(204)
  @RateLimited('reauthenticate')
  @UseGuards(RateLimitGuard)
  @ApiAuthenticated()
  @ApiOperation({
    summary: 'Prove the password again',
    description:
      'For five minutes, the caller may perform the actions that otherwise answer 403 `fresh_password_required`. A login by password ' +
      'has the same effect. Tokens and session stay the same.',
  })
  @ApiNoContentResponse()
  @ApiProblems(AUTH_ERRORS, 'invalid_credentials')
  @ApiProblems(COMMON_ERRORS, 'validation_failed', 'rate_limited')
  async reauthenticate(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() principal: Principal,
    @Body() { password }: ReauthenticationDto,
  ): Promise<void> {
    await this.passwords.reauthenticate(principal, password, originOf(request));
  }
}
