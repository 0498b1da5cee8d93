import { Body, Controller, HttpCode, Inject, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ConsoleOrigin } from '../../../auth/http/console-origin.js';
import { AUTH_ERRORS } from '../../../auth/auth.errors.js';
import { LoadSheddingGuard } from '../../../auth/login/load-shedding.guard.js';
import { originOf, refuseOtherSites } from '../../../auth/http/request-origin.js';
import { CountedAs, Public } from '../../../auth/auth.decorators.js';
import { ApiProblems } from '../../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../../common/common.errors.js';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { RateLimitGuard, RateLimited } from '../../../limits/rate-limit.guard.js';
import type { User } from '../../../users/user.entity.js';
import { ApiSession } from './sessions.openapi.js';
import { SessionAuthenticationService } from './session-authentication.service.js';
import { SessionCookieService } from './session-cookie.service.js';
import { PasswordLoginGuard } from './password-login.guard.js';
import { SessionLoginGuard } from './session-login.guard.js';
import { SessionLoginService } from '../session-login.service.js';
import { SessionLoginDto, SessionUserDto } from './sessions.dto.js';
import { SESSION_LOGIN_ERRORS } from '../sessions.errors.js';
import { SessionService } from '../session.service.js';

@ApiTags('Transition')
@Controller('api')
export class SessionsController {
  constructor(
    private readonly callers: SessionAuthenticationService,
    private readonly sessions: SessionService,
    private readonly logins: SessionLoginService,
    private readonly cookie: SessionCookieService,
    private readonly console: ConsoleOrigin,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Post('login')
  @CountedAs('session')
  @Public()
  @HttpCode(200)
  @RateLimited('session_login')
  @UseGuards(PasswordLoginGuard, LoadSheddingGuard, RateLimitGuard, SessionLoginGuard)
  @ApiOperation({
    summary: 'Log in with a session',
    description: 'Opens a session under a new id, in a cookie, and revokes the session that the caller had.',
    deprecated: true,
  })
  @ApiOkResponse({ type: SessionUserDto })
  @ApiProblems(COMMON_ERRORS, 'validation_failed', 'malformed_request', 'cross_site_request')
  @ApiProblems(COMMON_ERRORS, 'rate_limited', 'service_unavailable')
  @ApiProblems(AUTH_ERRORS, 'invalid_credentials', 'console_origin_only')
  @ApiProblems(SESSION_LOGIN_ERRORS, 'sessions_removed')
  async login(
    @Req() request: FastifyRequest & { user: User },
    @Body() body: SessionLoginDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SessionUserDto> {
    refuseOtherSites(request, this.config.corsOrigins);
    const { user } = request;
    this.console.requireCookie(user, request);
    const before = this.cookie.presentedIn(request)?.sids ?? [];
    const { sid, cookie, maxAge } = await this.logins.open(user, body, before, originOf(request));
    this.cookie.set(reply, sid, cookie, maxAge);
    reply.header('Cache-Control', 'no-store');
    return { user: { id: user.id, username: user.username, role: user.role } };
  }

  @Post('logout')
  @CountedAs('session')
  @Public()
  @HttpCode(204)
  @ApiSession()
  @ApiOperation({
    summary: 'Log out of a session',
    description:
      'Revokes the session and the token family that is linked to it. If there are cookies of several sessions, all are revoked.',
    deprecated: true,
  })
  @ApiNoContentResponse()
  async logout(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const sessions = await this.callers.authenticateAll(request, {
      changesState: true,
      evenDuringBrownout: true,
    });
    for (const session of sessions) await this.sessions.logOut(session, originOf(request), reply);
  }
}
