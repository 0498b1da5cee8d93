import { Controller, Header, HttpCode, Post, Req, Res, UseFilters } from '@nestjs/common';
import { ApiBasicAuth, ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccessTokenProof } from '../auth/guards/access-token-proof.js';
import { TokensDto } from '../auth/auth.dto.js';
import { originOf } from '../auth/http/request-origin.js';
import { Public } from '../auth/auth.decorators.js';
import { RefreshService } from '../auth/refresh/refresh.service.js';
import { TokenReply } from '../auth/http/token-reply.js';
import { ApiProblems } from '../common/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { RefreshTokenService } from '../tokens/families/refresh-token.service.js';
import { ClientAuthentication } from './client-authentication.js';
import { Introspection } from './introspection.service.js';
import { OAuthErrorFilter } from './oauth-error.filter.js';
import { formOf, required } from './oauth-form.js';
import { GrantFormDto, IntrospectionDto, TokenFormDto } from './oauth.dto.js';
import { OAUTH_ERRORS, refuseOAuth } from './oauth.errors.js';

const FORM = 'application/x-www-form-urlencoded';

/** What other services call, as the RFCs have it: forms in, RFC 6749's errors out, no cookies. */
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
    private readonly introspection: Introspection,
    private readonly proof: AccessTokenProof,
    private readonly refreshTokens: RefreshTokenService,
    private readonly refreshes: RefreshService,
    private readonly revocations: RevocationService,
    private readonly tokens: TokenReply,
  ) {}

  @Post('introspect')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ApiBasicAuth('client')
  @ApiOperation({
    summary: 'Introspect a token',
    description: 'Whether an access or refresh token counts now, revocations included (RFC 7662).',
  })
  @ApiBody({ type: TokenFormDto })
  @ApiOkResponse({ type: IntrospectionDto })
  async introspect(@Req() request: FastifyRequest): Promise<IntrospectionDto> {
    const form = formOf(request);
    await this.clients.require(request, form);
    return this.introspection.of(required(form, 'token'));
  }

  @Post('revoke')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ApiBasicAuth('client')
  @ApiOperation({
    summary: 'Revoke a token',
    description:
      'Ends the login that an access or refresh token belongs to, with all its tokens (RFC 7009). 200 also for a token that is ' +
      'none, or no more.',
  })
  @ApiBody({ type: TokenFormDto })
  @ApiOkResponse({ description: 'An empty answer' })
  async revoke(@Req() request: FastifyRequest): Promise<void> {
    const form = formOf(request);
    const client = await this.clients.require(request, form);
    const sid = await this.loginOf(required(form, 'token'));
    if (sid !== undefined)
      await this.revocations.revokeFamilies([sid], 'revoke', 'revoke', originOf(request), client);
  }

  @Post('token')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Refresh, as OAuth clients do',
    description:
      'The grant `refresh_token` (RFC 6749, section 6), the same as `/auth/refresh`: a refused token is 400 `invalid_grant`. A ' +
      'client that has a secret has to show it. Sets no cookie.',
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
    return this.tokens.writeBody(reply, opened);
  }

  /** The login of a token of ours, whatever became of it. */
  private async loginOf(token: string): Promise<string | undefined> {
    const proved = await this.proof.of(token);
    return proved?.claims.sid ?? (await this.refreshTokens.findFamily(token))?.sid;
  }
}
