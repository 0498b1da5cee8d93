import { All, Controller, Get, HttpCode, Req, Res, UseGuards } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiExcludeEndpoint, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { IGNORES_BODY } from '../common/json-body.js';
import { ApiAuthenticated } from './auth.decorators.js';
import type { AuthenticatedRequest } from './principal.js';
import { ExternalIds } from './http/external-ids.service.js';
import { ForwardAuth, ForwardedPathGuard } from './http/forward-auth.js';

@ApiTags('Authentication')
@Controller('auth/verify')
export class VerifyController {
  constructor(private readonly externalIds: ExternalIds) {}

  @Get()
  @HttpCode(204)
  @ForwardAuth('named')
  @ApiAuthenticated()
  @ApiOperation({
    summary: "Verify, for a proxy's forward-auth",
    description:
      'Says who is calling in response headers: nginx `auth_request`, Traefik ForwardAuth, Caddy forward_auth. The proxy names the ' +
      'method of the request in `X-Forwarded-Method` or `X-Original-Method`. For proxies that keep method and path (Envoy ext_authz), ' +
      'any method on `/auth/verify/{anything}` answers 200 with the same headers.',
  })
  @ApiNoContentResponse({
    headers: {
      'X-Auth-User-Id': { schema: { type: 'string', format: 'uuid' } },
      'X-Auth-External-Id': { schema: { type: 'string' }, description: '`-` if the user has none' },
      'X-Auth-Role': { schema: { type: 'string', enum: ['user', 'admin'] } },
      'X-Auth-Scheme': { schema: { type: 'string', enum: ['bearer', 'session'] } },
    },
  })
  // The request and not @CurrentPrincipal(), which the validation pipe looks at: a proxy asks here once for each of its requests.
  verify(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    return this.identify(request, reply);
  }

  @All('*')
  @HttpCode(200)
  @ForwardAuth('own')
  @UseGuards(ForwardedPathGuard)
  // Cross-origin preflights are asked about like any other request.
  @RouteConfig({ ...IGNORES_BODY, cors: false })
  @ApiExcludeEndpoint()
  verifyForwarded(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    return this.identify(request, reply);
  }

  /** All four are set whoever calls: a proxy overwrites with them what the client sent under these names. */
  private async identify({ user }: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const { userId, role, via } = user!;
    const externalId = this.externalIds.known(user!) ?? (await this.externalIds.find(user!));
    reply
      .header('x-auth-user-id', userId)
      .header('x-auth-external-id', externalId)
      .header('x-auth-role', role)
      .header('x-auth-scheme', via);
  }
}
