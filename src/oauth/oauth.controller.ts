import { Controller, Header, HttpCode, Post, Req, Res, UseFilters } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBasicAuth, ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { TokensDto } from '../auth/auth.dto.js';
import { originOf } from '../auth/http/request-origin.js';
import { CountedAs, Public } from '../auth/auth.decorators.js';
import { RefreshService } from '../auth/refresh/refresh.service.js';
import { TokenReply } from '../auth/http/token-reply.js';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { TAKES_FORM } from '../common/http/json-body.js';
import { ClientAuthentication } from './client-authentication.js';
import { OAuthErrorFilter } from './oauth-error.filter.js';
import { formOf, required } from './oauth-form.js';
import { GrantFormDto, IntrospectionDto, TokenFormDto } from './oauth.dto.js';
import { OAuthTokenService } from './oauth-token.service.js';
import { OAUTH_ERRORS, refuseOAuth } from './oauth.errors.js';

const FORM = 'application/x-www-form-urlencoded';

/** The endpoints for other services, as the RFCs define them: forms, errors of RFC 6749, no cookies. */
@ApiTags('For other services')
@Public()
@UseFilters(OAuthErrorFilter)
@ApiConsumes(FORM)
@ApiProblems(OAUTH_ERRORS, 'invalid_request', 'invalid_client')
@ApiProblems(COMMON_ERRORS, 'unsupported_media_type', 'rate_limited', 'service_unavailable')
@Controller('oauth')
export class OAuthController {
  constructor(
    private readonly clients: ClientAuthentication,
    private readonly tokens: OAuthTokenService,
    private readonly refreshes: RefreshService,
    private readonly replies: TokenReply,
  ) {}

  @Post('introspect')
  @HttpCode(200)
  @RouteConfig(TAKES_FORM)
  @Header('Cache-Control', 'no-store')
  @ApiBasicAuth('client')
  @ApiOperation({
    summary: 'Introspect a token',
    description: 'Says whether an access or refresh token is valid now, revocations included (RFC 7662).',
  })
  @ApiBody({ type: TokenFormDto })
  @ApiProblems(OAUTH_ERRORS, 'insufficient_scope')
  @ApiOkResponse({ type: IntrospectionDto })
  async introspect(@Req() request: FastifyRequest): Promise<IntrospectionDto> {
    const form = formOf(request);
    await this.clients.require(request, form, 'introspect');
    return this.tokens.introspect(required(form, 'token'));
  }

  @Post('revoke')
  @HttpCode(200)
  @RouteConfig(TAKES_FORM)
  @Header('Cache-Control', 'no-store')
  @ApiBasicAuth('client')
  @ApiOperation({
    summary: 'Revoke a token',
    description:
      'Revokes the token family of an access or refresh token (RFC 7009). Answers 200 for an unknown or expired token too.',
  })
  @ApiBody({ type: TokenFormDto })
  @ApiProblems(OAUTH_ERRORS, 'insufficient_scope')
  @ApiOkResponse({ description: 'An empty answer' })
  async revoke(@Req() request: FastifyRequest): Promise<void> {
    const form = formOf(request);
    const client = await this.clients.require(request, form, 'revoke');
    await this.tokens.revoke(required(form, 'token'), client, originOf(request));
  }

  @Post('token')
  @CountedAs('bearer')
  @HttpCode(200)
  @RouteConfig(TAKES_FORM)
  @ApiOperation({
    summary: 'Refresh as an OAuth client',
    description:
      'The grant `refresh_token` (RFC 6749, section 6). Does the same as `/auth/refresh`. A refused token is 400 `invalid_grant`. A ' +
      'registered client must send its secret. Sets no cookie.',
  })
  @ApiBody({ type: GrantFormDto })
  @ApiOkResponse({ type: TokensDto })
  @ApiProblems(OAUTH_ERRORS, 'unsupported_grant_type', 'invalid_scope')
  async token(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokensDto> {
    const form = formOf(request);
    const grant = required(form, 'grant_type');
    await this.clients.ifGiven(request, form);
    if (grant !== 'refresh_token') throw refuseOAuth('unsupported_grant_type');
    if (form['scope'] !== undefined) throw refuseOAuth('invalid_scope');
    const opened = await this.refreshes.refresh(required(form, 'refresh_token'), request);
    return this.replies.writeBody(reply, opened);
  }
}
