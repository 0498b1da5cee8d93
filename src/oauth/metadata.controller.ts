import { Controller, Get, Header, Inject, Req } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Public } from '../auth/auth.decorators.js';
import { refuse } from '../common/common.errors.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { ISSUER } from '../tokens/access/issuer.js';
import { JWKS_MAX_AGE } from '../tokens/keys/key-ring.service.js';

const WITH_SECRET = ['client_secret_basic', 'client_secret_post'] as const;

@ApiTags('Discovery')
@Public()
@Controller('.well-known')
export class MetadataController {
  private readonly appended: string;

  constructor(
    @Inject(ISSUER) private readonly issuer: string,
    @Inject(CONFIG) { pathPrefix }: Config,
  ) {
    this.appended = `/.well-known/oauth-authorization-server${pathPrefix}`;
  }

  @Get('oauth-authorization-server')
  @Header('Cache-Control', `public, max-age=${JWKS_MAX_AGE}`)
  @ApiOperation({
    summary: 'Describe this authorization server',
    description:
      'Metadata (RFC 8414). If the issuer has a path, the metadata is also at this URL with that path appended, as clients expect.',
  })
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
      // Tandem's own: the stream of revocations.
      revocations_endpoint: `${base}/oauth/revocations`,
      token_endpoint_auth_methods_supported: ['none', ...WITH_SECRET],
      introspection_endpoint_auth_methods_supported: WITH_SECRET,
      revocation_endpoint_auth_methods_supported: WITH_SECRET,
      grant_types_supported: ['refresh_token'],
      // RFC 8414 requires it. It is empty, because there is no authorization endpoint.
      response_types_supported: [],
    };
  }

  /** RFC 8414, section 3: the well-known path, followed by the path of the issuer. */
  @Get('oauth-authorization-server/*')
  @Header('Cache-Control', `public, max-age=${JWKS_MAX_AGE}`)
  @ApiExcludeEndpoint()
  metadataOfPath(@Req() { url }: FastifyRequest) {
    if (url.split('?', 1)[0] !== this.appended) throw refuse('not_found');
    return this.metadata();
  }
}
