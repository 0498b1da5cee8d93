import { Body, Controller, HttpCode, Inject, Post, Req, Res, UseGuards } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiAuthenticated, CountedAs, CurrentPrincipal, Public, TokenOnly } from './auth.decorators.js';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { RateLimitGuard, RateLimited } from '../limits/rate-limit.guard.js';
import { PresentedTokensService } from '../tokens/families/presented-tokens.service.js';
import { TOKEN_ERRORS } from '../tokens/tokens.errors.js';
import type { User } from '../users/user.entity.js';
import { USER_ERRORS } from '../users/users.errors.js';
import { LoginDto, PasswordDto, RefreshDto, TokensDto } from './auth.dto.js';
import { AUTH_ERRORS } from './auth.errors.js';
import { bearerIn, presentedRefreshTokens } from './http/presented-credentials.js';
import { ConsoleOrigin } from './http/console-origin.js';
import { LoadSheddingGuard } from './login/load-shedding.guard.js';
import { LocalAuthGuard } from './login/local-auth.guard.js';
import { LoginService } from './login/login.service.js';
import { LogoutService } from './account/logout.service.js';
import { originOf } from './http/request-origin.js';
import { PasswordService } from './account/password.service.js';
import type { Principal } from './principal.js';
import { RefreshService } from './refresh/refresh.service.js';
import { TokenReply } from './http/token-reply.js';

@ApiTags('Authentication')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly logins: LoginService,
    private readonly refreshes: RefreshService,
    private readonly logouts: LogoutService,
    private readonly passwords: PasswordService,
    private readonly tokens: TokenReply,
    private readonly presented: PresentedTokensService,
    private readonly console: ConsoleOrigin,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Post('login')
  @CountedAs('bearer')
  @Public()
  @HttpCode(200)
  @RateLimited('login')
  @UseGuards(LoadSheddingGuard, RateLimitGuard, LocalAuthGuard)
  @ApiOperation({
    summary: 'Log in',
    description: 'Starts a token family for this device and returns its first tokens.',
  })
  @ApiBody({ type: LoginDto })
  @ApiOkResponse({ type: TokensDto })
  @ApiProblems(COMMON_ERRORS, 'validation_failed', 'malformed_request', 'rate_limited', 'service_unavailable')
  @ApiProblems(AUTH_ERRORS, 'invalid_credentials', 'jwt_not_enabled', 'console_origin_only')
  async login(
    @Req() request: FastifyRequest & { user: User },
    @Body() body: LoginDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokensDto> {
    const delivery = body.token_delivery ?? 'body';
    if (delivery === 'cookie') this.console.requireCookie(request.user, request);
    return this.tokens.write(reply, await this.logins.open(request.user, body, delivery, originOf(request)));
  }

  @Post('refresh')
  @CountedAs('bearer')
  @Public()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Refresh',
    description:
      'Returns the next access token and the next refresh token; the presented one is used up. Takes the token from the ' +
      'body, or from the cookie if the body has none. After a lost response, the client repeats the call with the same token.',
  })
  @ApiBody({ type: RefreshDto, required: false })
  @ApiOkResponse({ type: TokensDto })
  @ApiProblems(
    TOKEN_ERRORS,
    'refresh_token_invalid',
    'refresh_token_expired',
    'refresh_token_reused',
    'refresh_token_revoked',
  )
  @ApiProblems(COMMON_ERRORS, 'validation_failed', 'malformed_request', 'cross_site_request')
  @ApiProblems(COMMON_ERRORS, 'rate_limited', 'service_unavailable')
  @ApiProblems(AUTH_ERRORS, 'jwt_not_enabled')
  async refresh(
    @Req() request: FastifyRequest,
    @Body() body: RefreshDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokensDto> {
    const { tokens, byCookie } = presentedRefreshTokens(request, body, this.config.corsOrigins);
    const token = await this.presented.choose(tokens);
    return this.tokens.write(reply, await this.refreshes.refresh(token, request), byCookie);
  }

  @Post('logout')
  @CountedAs('bearer')
  @Public()
  @HttpCode(204)
  @TokenOnly()
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Log out',
    description:
      'Revokes the token families of the given tokens. Repeating it is safe. Expired and revoked tokens work too.',
  })
  @ApiBody({ type: RefreshDto, required: false })
  @ApiNoContentResponse()
  @ApiProblems(TOKEN_ERRORS, 'token_missing', 'token_invalid', 'refresh_token_invalid')
  @ApiProblems(COMMON_ERRORS, 'validation_failed', 'cross_site_request', 'service_unavailable')
  async logout(
    @Req() request: FastifyRequest,
    @Body() body: RefreshDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const accessToken = bearerIn(request.headers.authorization);
    const { tokens: refreshTokens } = presentedRefreshTokens(request, body, this.config.corsOrigins);
    await this.logouts.logout({ accessToken, refreshTokens }, originOf(request));
    this.tokens.clear(reply);
  }

  @Post('logout-all')
  @HttpCode(204)
  @TokenOnly()
  @ApiAuthenticated()
  @ApiOperation({
    summary: 'Log out everywhere',
    description: 'Logs the caller out on all devices.',
  })
  @ApiNoContentResponse()
  async logoutAll(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() principal: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.logouts.logoutAll(principal.userId, originOf(request));
    this.tokens.clear(reply);
  }

  @Post('password')
  @HttpCode(204)
  @RateLimited('password')
  @UseGuards(RateLimitGuard)
  @ApiAuthenticated()
  @ApiOperation({ summary: 'Change the password', description: 'Logs the caller out on all other devices.' })
  @ApiNoContentResponse()
  @ApiProblems(AUTH_ERRORS, 'invalid_credentials')
  @ApiProblems(USER_ERRORS, 'password_too_weak', 'password_managed_elsewhere')
  @ApiProblems(COMMON_ERRORS, 'validation_failed', 'rate_limited')
  async password(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() principal: Principal,
    @Body() body: PasswordDto,
  ): Promise<void> {
    await this.passwords.change(principal, body.current_password, body.new_password, originOf(request));
  }
}
