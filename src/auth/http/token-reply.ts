import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { AccessTokenService } from '../../tokens/access/access-token.service.js';
import type { FamilyToken } from '../../tokens/families/token-family.js';
import type { TokensDto } from '../auth.dto.js';
import { setRefreshCookie } from './presented-credentials.js';

/** How tokens are handed out, whatever they were got for (RFC 6749, section 5.1). */
@Injectable()
export class TokenReply {
  constructor(
    private readonly accessTokens: AccessTokenService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** `byCookie`: the refresh token came in the cookie, so it goes back by it alone and no script sees it. */
  async write(reply: FastifyReply, { family, token }: FamilyToken, byCookie = false): Promise<TokensDto> {
    const body = await this.writeBody(reply, { family, token });
    setRefreshCookie(
      reply,
      token,
      Math.max(0, Math.ceil((family.expiresAt - family.now) / 1000)),
      this.config,
    );
    if (!byCookie && family.delivery !== 'cookie') return body;
    const { refresh_token: _hidden, ...rest } = body;
    return rest;
  }

  /**
   * For clients that keep their tokens themselves. No cookie is set: a form can be sent by any site's page, and must not
   * be able to put the login of its choice into a browser.
   */
  async writeBody(
    reply: FastifyReply,
    { family, token }: FamilyToken,
  ): Promise<TokensDto & { refresh_token: string }> {
    const access_token = await this.accessTokens.mint(family);
    reply.header('Cache-Control', 'no-store');
    return {
      access_token,
      refresh_token: token,
      token_type: 'Bearer',
      expires_in: this.config.tokenExpiry,
    };
  }
}
