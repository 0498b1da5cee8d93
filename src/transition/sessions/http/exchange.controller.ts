import { Body, Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RefreshDto, TokenDeliveryDto, TokensDto } from '../../../auth/auth.dto.js';
import { AUTH_ERRORS } from '../../../auth/auth.errors.js';
import { isFromWebPage } from '../../../auth/http/request-origin.js';
import { presentedRefreshTokens, clearRefreshCookie } from '../../../auth/http/presented-credentials.js';
import { CountedAs, Public } from '../../../auth/auth.decorators.js';
import { TokenReply } from '../../../auth/http/token-reply.js';
import { ApiProblems } from '../../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../../common/common.errors.js';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { TOKEN_ERRORS } from '../../../tokens/tokens.errors.js';
import { ApiSession } from './sessions.openapi.js';
import { ExchangeLimitsService } from '../link/exchange-limits.service.js';
import { SessionCookieService } from './session-cookie.service.js';
import { SessionUserDto } from './sessions.dto.js';
import { SESSION_ERRORS, SESSION_LOGIN_ERRORS } from '../sessions.errors.js';

@ApiTags('Transition')
@Controller('auth')
export class ExchangeController {
  constructor(
    private readonly exchanges: ExchangeLimitsService,
    private readonly tokens: TokenReply,
    private readonly cookie: SessionCookieService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Post('exchange')
  @CountedAs('session')
  @Public()
  @HttpCode(200)
  @ApiSession()
  @ApiOperation({
    summary: 'Exchange a session for tokens',
    description:
      'Opens a token family and links it to the session: both live equally long, and both are revoked together. The call can be ' +
      'repeated until the refresh token or the access token is used. The refresh token is only in the cookie if the request comes ' +
      'from a web page (it has `Origin` or `Sec-Fetch-Site`), or if the session was downgraded from a family with such a cookie.',
  })
  @ApiBody({ type: TokenDeliveryDto, required: false })
  @ApiOkResponse({ type: TokensDto })
  @ApiProblems(AUTH_ERRORS, 'jwt_not_enabled')
  @ApiProblems(SESSION_ERRORS, 'already_exchanged')
  @ApiProblems(COMMON_ERRORS, 'validation_failed', 'malformed_request', 'rate_limited')
  async exchange(
    @Req() request: FastifyRequest,
    @Body() { token_delivery }: TokenDeliveryDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokensDto> {
    const byPage = isFromWebPage(request);
    const delivery = byPage ? 'cookie' : (token_delivery ?? 'body');
    return this.tokens.write(reply, await this.exchanges.exchange(request, reply, delivery), byPage);
  }

  @Post('downgrade')
  @CountedAs('bearer')
  @Public()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Go back from tokens to a session',
    description:
      'Revokes the family of the refresh token, which is in the body or else in the cookie, and opens a session. The session ends at ' +
      'the latest when the family would have expired. After a lost response, the call can be repeated with the same token.',
  })
  @ApiBody({ type: RefreshDto, required: false })
  @ApiOkResponse({ type: SessionUserDto })
  @ApiProblems(
    TOKEN_ERRORS,
    'refresh_token_invalid',
    'refresh_token_expired',
    'refresh_token_reused',
    'refresh_token_revoked',
  )
  @ApiProblems(SESSION_LOGIN_ERRORS, 'sessions_removed')
  @ApiProblems(COMMON_ERRORS, 'validation_failed', 'malformed_request', 'cross_site_request')
  @ApiProblems(COMMON_ERRORS, 'rate_limited', 'service_unavailable')
  async downgrade(
    @Req() request: FastifyRequest,
    @Body() body: RefreshDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SessionUserDto> {
    const presented = presentedRefreshTokens(request, body, this.config.corsOrigins);
    const { session, user } = await this.exchanges.downgrade(request, presented);
    if (session.setCookies === undefined) this.cookie.set(reply, session.sid, session.cookie, session.maxAge);
    else reply.header('Set-Cookie', [...session.setCookies]);
    clearRefreshCookie(reply, this.config);
    reply.header('Cache-Control', 'no-store');
    return { user: { id: user.id, username: user.username, role: user.role } };
  }
}
