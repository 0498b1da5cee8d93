import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { AccessTokenService } from '../../tokens/access/access-token.service.js';
import type { FamilyToken } from '../../tokens/families/token-family.js';
import type { TokensDto } from '../auth.dto.js';
import { ConsoleOrigin } from './console-origin.js';
import { clearRefreshCookie, setRefreshCookie } from './presented-credentials.js';

/** Writes answers with tokens (RFC 6749, section 5.1). */
@Injectable()
export class TokenReply {
  constructor(
    private readonly accessTokens: AccessTokenService,
    private readonly console: ConsoleOrigin,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** `byCookie`: the refresh token came in the cookie. Then it is not in the body, so that no script sees it. */
  async write(reply: FastifyReply, { family, token }: FamilyToken, byCookie = false): Promise<TokensDto> {
    const body = await this.writeBody(reply, { family, token });
    const isHidden = byCookie || family.delivery === 'cookie';
    // An administrator who has the token in the body needs no cookie elsewhere than at the console.
    if (isHidden || this.console.permitsCookie(family, reply.request)) {
      const maxAge = Math.max(0, Math.ceil((family.expiresAt - family.now) / 1000));
      setRefreshCookie(reply, token, maxAge, this.config);
    }
    if (!isHidden) return body;
    const { refresh_token: _hidden, ...rest } = body;
    return rest;
  }

  /**
   * For clients that store their tokens themselves. Sets no cookie: a page of any site can send a form, and must not be able to log a
   * browser in as somebody else.
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

  /** Makes the browser delete its refresh token, after a logout. */
  clear(reply: FastifyReply): void {
    clearRefreshCookie(reply, this.config);
    reply.header('Cache-Control', 'no-store');
  }
}
