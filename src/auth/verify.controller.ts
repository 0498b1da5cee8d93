import { All, Controller, Get, HttpCode, Req, Res, UseGuards } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiExcludeEndpoint, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { IGNORES_BODY } from '../common/http/json-body.js';
import { ROLE_PATTERN } from '../common/role.js';
import { ApiAuthenticated } from './auth.decorators.js';
import type { AuthenticatedRequest } from './principal.js';
import { ExternalIdsService } from './http/external-ids.service.js';
import { ForwardAuth, ForwardedPathGuard } from './http/forward-auth.js';

@ApiTags('Authentication')
@Controller('auth/verify')
export class VerifyController {
  constructor(private readonly externalIds: ExternalIdsService) {}

  @Get()
  @HttpCode(204)
  @ForwardAuth('forwarded')
  @ApiAuthenticated()
  @ApiOperation({
    summary: 'Verify a request for a proxy (forward-auth)',
    description:
      'Response headers name the caller: nginx `auth_request`, Traefik ForwardAuth, Caddy forward_auth. The proxy sends the method of ' +
      'the request in `X-Forwarded-Method` or `X-Original-Method`. For proxies that keep method and path (Envoy ext_authz), any method ' +
      'on `/auth/verify/{anything}` answers 200 with the same headers.',
  })
  @ApiNoContentResponse({
    headers: {
      'X-Auth-User-Id': { schema: { type: 'string', format: 'uuid' } },
      'X-Auth-External-Id': { schema: { type: 'string' }, description: '`-` if the user has none' },
      'X-Auth-Role': { schema: { type: 'string', pattern: ROLE_PATTERN } },
      'X-Auth-Scheme': { schema: { type: 'string', enum: ['bearer', 'session'] } },
    },
  })
  // @Req() instead of @CurrentPrincipal(), which the validation pipe inspects: a proxy calls this route for each of its requests.
  verify(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    return this.identify(request, reply);
  }

  @All('*')
  @HttpCode(200)
  @ForwardAuth('request')
  @UseGuards(ForwardedPathGuard)
  // A cross-origin preflight is verified like any other request.
  @RouteConfig({ ...IGNORES_BODY, cors: false })
  @ApiExcludeEndpoint()
  verifyForwarded(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    return this.identify(request, reply);
  }

  /** Sets all four headers for every caller, so that the proxy overwrites what the client sent under these names. */
  private async identify(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const { userId, role, via } = request.user!;
    const externalId = await this.externalIds.headerOf(request);
    reply
      .header('x-auth-user-id', userId)
      .header('x-auth-external-id', externalId)
      .header('x-auth-role', role)
      .header('x-auth-scheme', via);
  }
}
