import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../auth/public.decorator.js';
import { ISSUER } from '../tokens/issuer.js';
import { JWKS_MAX_AGE } from '../tokens/key-ring.service.js';

const WITH_SECRET = ['client_secret_basic', 'client_secret_post'] as const;

@ApiTags('Discovery')
@Public()
@Controller('.well-known')
export class MetadataController {
  constructor(@Inject(ISSUER) private readonly issuer: string) {}

  @Get('oauth-authorization-server')
  @Header('Cache-Control', `public, max-age=${JWKS_MAX_AGE}`)
  @ApiOperation({ summary: 'What this authorization server is', description: 'Metadata (RFC 8414).' })
  @ApiOkResponse({
    schema: {
      type: 'object',
      example: {
        issuer: 'http://127.0.0.1:5000',
        jwks_uri: 'http://127.0.0.1:5000/.well-known/jwks.json',
        token_endpoint: 'http://127.0.0.1:5000/oauth/token',
      },
    },
  })
  metadata() {
    const base = this.issuer.replace(/\/$/, '');
    return {
      issuer: this.issuer,
      jwks_uri: `${base}/.well-known/jwks.json`,
      token_endpoint: `${base}/oauth/token`,
      introspection_endpoint: `${base}/oauth/introspect`,
      revocation_endpoint: `${base}/oauth/revoke`,
      token_endpoint_auth_methods_supported: ['none', ...WITH_SECRET],
      introspection_endpoint_auth_methods_supported: WITH_SECRET,
      revocation_endpoint_auth_methods_supported: WITH_SECRET,
      grant_types_supported: ['refresh_token'],
      // Required by RFC 8414, and truly none: there is no authorization endpoint.
      response_types_supported: [],
    };
  }
}
