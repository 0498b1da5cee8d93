import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ISSUER } from '../tokens/issuer.js';
import { JWKS_MAX_AGE, KeyRing } from '../tokens/key-ring.service.js';
import { RevocationFeed } from '../tokens/revocation-feed.js';
import { Public } from './public.decorator.js';

@ApiTags('Discovery')
@Public()
@Controller('.well-known')
export class WellKnownController {
  constructor(
    private readonly keys: KeyRing,
    private readonly feed: RevocationFeed,
    @Inject(ISSUER) private readonly issuer: string,
  ) {}

  @Get('jwks.json')
  @Header('Content-Type', 'application/json; charset=utf-8')
  @Header('Cache-Control', `public, max-age=${JWKS_MAX_AGE}`)
  @ApiOperation({
    summary: 'The keys that access tokens are signed with',
    description: 'A JWK Set (RFC 7517).',
  })
  @ApiOkResponse({
    schema: {
      type: 'object',
      properties: { keys: { type: 'array', items: { type: 'object' } } },
      example: { keys: [{ kty: 'RSA', n: '…', e: 'AQAB', kid: '…', alg: 'RS256', use: 'sig' }] },
    },
  })
  jwks(): string {
    return this.keys.jwks(this.feed.now()).body;
  }

  @Get('oauth-authorization-server')
  @Header('Cache-Control', `public, max-age=${JWKS_MAX_AGE}`)
  @ApiOperation({ summary: 'What this authorization server is', description: 'Metadata (RFC 8414).' })
  @ApiOkResponse({
    schema: {
      type: 'object',
      example: { issuer: 'http://127.0.0.1:5000', jwks_uri: 'http://127.0.0.1:5000/.well-known/jwks.json' },
    },
  })
  metadata() {
    return {
      issuer: this.issuer,
      jwks_uri: `${this.issuer.replace(/\/$/, '')}/.well-known/jwks.json`,
      // Required by RFC 8414, and truly none: there is no authorization endpoint.
      response_types_supported: [],
      grant_types_supported: [],
    };
  }
}
