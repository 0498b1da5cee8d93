import { Controller, Get, HttpCode, Req, Res } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiAuthenticated } from './api-authenticated.decorator.js';
import type { AuthenticatedRequest } from './authenticated-request.js';

@ApiTags('Authentication')
@Controller('auth/verify')
export class VerifyController {
  @Get()
  @HttpCode(204)
  @ApiAuthenticated()
  @ApiOperation({
    summary: "Verify, for a proxy's forward-auth",
    description:
      'Says who is calling in response headers: nginx `auth_request`, Traefik ForwardAuth, Envoy ext_authz.',
  })
  @ApiNoContentResponse({
    headers: {
      'X-Auth-User-Id': { schema: { type: 'string', format: 'uuid' } },
      'X-Auth-Role': { schema: { type: 'string', enum: ['user', 'admin'] } },
      'X-Auth-Scheme': { schema: { type: 'string', enum: ['bearer', 'session'] } },
    },
  })
  // The request and not @CurrentPrincipal(), which the validation pipe looks at: a proxy asks here once for each of its requests.
  verify(@Req() request: AuthenticatedRequest, @Res({ passthrough: true }) reply: FastifyReply): void {
    const { userId, role, via } = request.user!;
    reply
      .header('x-auth-user-id', userId)
      .header('x-auth-role', role)
      .header('x-auth-scheme', via)
      .header('cache-control', 'no-store');
  }
}
