import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseUUIDPipe,
  Post,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, FreshPassword, Roles } from '../auth/auth.decorators.js';
import { originOf } from '../auth/http/request-origin.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { disableInactivityTimeout } from '../common/http.js';
import { AdminQueryService } from './admin-query.service.js';
import { RevokedDto } from './admin.dto.js';
import { ADMIN_ERRORS } from './admin.errors.js';
import { BulkRevocationService } from './bulk-revocation.service.js';
import { LoginRevocationService } from './login-revocation.service.js';
import { requireAnyOf } from './request-rules.js';
import { BulkRevokeDto, TokenFamiliesDto, TokensQueryDto } from './tokens.dto.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/tokens')
export class AdminTokensController {
  constructor(
    private readonly queries: AdminQueryService,
    private readonly logins: LoginRevocationService,
    private readonly bulk: BulkRevocationService,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'List and find token families and sessions',
    description:
      'Families, the newest first, then sessions. Each token family belongs to one login on one device. Expired and revoked families remain in the list for a ' +
      'week after their latest possible expiry.',
  })
  @ApiOkResponse({ type: TokenFamiliesDto })
  list(@Query() query: TokensQueryDto): Promise<TokenFamiliesDto> {
    return this.queries.listTokens(query);
  }

  @Delete(':family_id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Revoke a token family or a session',
    description:
      'Its tokens or its cookie are rejected immediately. A linked session or family is revoked too. Idempotent. A session has the ' +
      'id under which a list has shown it within the last seven days.',
  })
  @ApiParam({ name: 'family_id', format: 'uuid' })
  @ApiNoContentResponse()
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async revoke(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('family_id', ParseUUIDPipe) id: string,
  ): Promise<void> {
    await this.logins.revoke(id, originOf(request), actorId);
  }

  @Post('revoke')
  @FreshPassword()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Revoke many token families',
    description:
      'Revokes families that match all given filters; at least one is required. `issued_before` compares the time of the login, ' +
      '`ip` the address of the last use. Only families opened before the call are revoked. With only `role` or `user_ids`, all ' +
      'sessions of these users are revoked too; with `issued_before` or `ip`, only linked sessions. If the call fails, repeat it. With ' +
      '`expected_count`, the call revokes all matches in one transaction, or nobody if there are more.',
  })
  @ApiOkResponse({ type: RevokedDto })
  @ApiProblems(ADMIN_ERRORS, 'more_than_expected')
  async revokeMany(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Body() body: BulkRevokeDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RevokedDto> {
    const { expected_count, ...given } = body;
    requireAnyOf(given, 'issued_before', 'role', 'ip', 'user_ids');
    disableInactivityTimeout(reply);
    const { issued_before, role, ip, user_ids } = given;
    const issuedBefore = issued_before === undefined ? undefined : new Date(issued_before);
    const filter = { issuedBefore, role, ip, userIds: user_ids };
    return { revoked: await this.bulk.revoke(filter, originOf(request), actorId, expected_count) };
  }
}
