import { Inject, Injectable, Optional } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { RefusalCounter } from '../audit/refusal-counter.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { clientSubject } from '../limits/client-address.js';
import { RateLimiter } from '../limits/limits.service.js';
import { RefreshTokenService } from '../tokens/refresh-token.service.js';
import type { OpenedLogin, Rotation } from '../tokens/refresh-token.service.js';
import { refuseToken } from '../tokens/tokens.errors.js';
import { refuseAuth } from './auth.errors.js';
import { originOf } from './origin.js';
import { TOKEN_ELIGIBILITY } from './token-eligibility.js';
import type { TokenEligibility } from './token-eligibility.js';

/** How often a login may get the same successor again in a window: two tabs and lost responses, not a supply of tokens. */
const REPEATS = 128;

@Injectable()
export class RefreshService {
  constructor(
    private readonly tokens: RefreshTokenService,
    private readonly limiter: RateLimiter,
    private readonly refusals: RefusalCounter,
    @Inject(CONFIG) private readonly config: Config,
    @Optional() @Inject(TOKEN_ELIGIBILITY) private readonly eligibility?: TokenEligibility,
  ) {}

  /**
   * The next tokens of a login. Refused calls count by address, accepted ones by login, so that an office behind one
   * address is not locked out by its size.
   */
  async refresh(token: string | undefined, request: FastifyRequest): Promise<OpenedLogin> {
    const address = clientSubject(request);
    const rotation: Rotation =
      token === undefined
        ? { outcome: 'rejected', reason: 'refresh_token_invalid' }
        : await this.tokens.present(token, (login, verdict) => this.admit(login, verdict), originOf(request));
    if (rotation.outcome === 'rotated' || rotation.outcome === 'repeated') return rotation;
    const code = rotation.outcome === 'rejected' ? rotation.reason : 'refresh_token_reused';
    if (code !== 'refresh_token_reused') this.refusals.count(code, request.ip);
    // A refusal over the limit is told as such; what it revoked, it revoked.
    await this.limiter.enforce('refresh', address);
    throw refuseToken(code);
  }

  private async admit(login: { sid: string; userId: string }, verdict: 'rotate' | 'repeat'): Promise<void> {
    if (this.eligibility !== undefined && !(await this.eligibility.mayContinue(login.userId))) {
      throw refuseAuth('jwt_not_enabled');
    }
    if (verdict === 'rotate') await this.limiter.enforce('refresh', login.sid);
    else
      await this.limiter.enforce('refresh', `${login.sid} again`, {
        limit: REPEATS,
        windowSeconds: this.config.authRateWindow,
      });
  }
}
