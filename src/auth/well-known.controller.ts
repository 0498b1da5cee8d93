import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { JWKS_MAX_AGE, KeyRingService } from '../tokens/keys/key-ring.service.js';
import { DatabaseClock } from '../tokens/feed/database-clock.js';
import { Public } from './auth.decorators.js';

@ApiTags('Discovery')
@Public()
@Controller('.well-known')
export class WellKnownController {
  constructor(
    private readonly keys: KeyRingService,
    private readonly clock: DatabaseClock,
  ) {}

  @Get('jwks.json')
  @Header('Content-Type', 'application/json; charset=utf-8')
  @Header('Cache-Control', `public, max-age=${JWKS_MAX_AGE}`)
  @ApiOperation({
    summary: 'The keys that sign access tokens',
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
    return this.keys.jwks(this.clock.now()).body;
  }
}
