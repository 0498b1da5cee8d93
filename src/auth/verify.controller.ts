import { Controller, Get, HttpCode, Res } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiAuthenticated } from './api-authenticated.decorator.js';
import { CurrentPrincipal } from './current-principal.decorator.js';
import type { Principal } from './principal.js';

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
  verify(
    @CurrentPrincipal() { userId, role, via }: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): void {
    reply
      .header('X-Auth-User-Id', userId)
      .header('X-Auth-Role', role)
      .header('X-Auth-Scheme', via)
      .header('Cache-Control', 'no-store');
  }
}
