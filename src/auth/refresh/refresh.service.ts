import { Inject, Injectable, Optional } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Origin } from '../../audit/audit-context.js';
import { RefusalCounter } from '../../audit/refusal-counter.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { ClientRateLimiter } from '../../limits/client-limits.service.js';
import { RateLimitService } from '../../limits/limits.service.js';
import type { LiveFamily, TokenFamily, FamilyToken } from '../../tokens/families/token-family.js';
import { RefreshPresentation } from '../../tokens/families/presentation.service.js';
import type { Admission, Rotation } from '../../tokens/families/presentation.service.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import { refuseAuth } from '../auth.errors.js';
import type { AuthenticatedRequest } from '../principal.js';
import { originOf } from '../http/request-origin.js';
import { TOKEN_ELIGIBILITY } from './token-eligibility.js';
import type { TokenEligibility } from './token-eligibility.js';

/** How often the same successor may be got again in a window: two tabs and lost responses, not a supply of tokens. */
const REPEATS = 128;

/** The simultaneous presentations of a token on this node: together they are one refresh and count as one. */
interface Presentations {
  running: number;
  counted?: Promise<unknown>;
  /** The statement that counts one of them and goes on with the login, while it runs. */
  statement?: Promise<LiveFamily | undefined> | undefined;
}

@Injectable()
export class RefreshService {
  private readonly presentations = new Map<string, Presentations>();

  constructor(
    private readonly tokens: RefreshPresentation,
    private readonly limiter: RateLimitService,
    private readonly clients: ClientRateLimiter,
    private readonly refusals: RefusalCounter,
    @Inject(CONFIG) private readonly config: Config,
    @Optional() @Inject(TOKEN_ELIGIBILITY) private readonly eligibility?: TokenEligibility,
  ) {}

  /**
   * The next tokens of a login. Refused calls count by address, accepted ones by login, so that an office behind one
   * address is not locked out by its size.
   */
  async refresh(token: string | undefined, request: FastifyRequest): Promise<FamilyToken> {
    const origin = originOf(request);
    const rotation: Rotation =
      token === undefined
        ? { outcome: 'rejected', reason: 'refresh_token_invalid' }
        : await this.present(token, origin);
    if (rotation.outcome === 'rotated' || rotation.outcome === 'repeated') {
      const { userId, role, sid } = rotation.family;
      // For whoever counts; nothing else is decided by it on this route.
      (request as AuthenticatedRequest).user = { userId, role, sid, via: 'bearer' };
      return rotation;
    }
    const code = rotation.outcome === 'rejected' ? rotation.reason : 'refresh_token_reused';
    if (code !== 'refresh_token_reused') this.refusals.count(code, origin.ip);
    // A refusal over the limit is told as such; what it revoked, it revoked.
    await this.clients.enforce('refresh', request);
    throw refuseToken(code);
  }

  private async present(token: string, origin: Origin): Promise<Rotation> {
    const together = this.presentations.get(token) ?? { running: 0 };
    this.presentations.set(token, together);
    together.running += 1;
    try {
      return await this.tokens.present(token, this.admissionOf(together), origin);
    } finally {
      together.running -= 1;
      if (together.running === 0) this.presentations.delete(token);
    }
  }

  private admissionOf(together: Presentations): Admission {
    let counted = false;
    return {
      admit: (login, verdict) => this.admit(login, verdict, together, counted),
      countWithin: this.eligibility?.restrictsExistingFamilies()
        ? undefined
        : async (sid, statement) => {
            // Whoever comes while it runs would wait for the row, and find the token spent.
            if (together.statement !== undefined) {
              counted = (await together.statement) !== undefined;
              return undefined;
            }
            together.statement = this.limiter.enforceWithin('refresh_family', sid, statement);
            try {
              return await together.statement;
            } finally {
              together.statement = undefined;
            }
          },
    };
  }

  private async admit(
    login: TokenFamily,
    verdict: 'rotate' | 'repeat',
    together: Presentations,
    counted: boolean,
  ): Promise<void> {
    const { sid, userId, role, generation } = login;
    if (this.eligibility !== undefined && !(await this.eligibility.mayContinue({ id: userId, role }))) {
      throw refuseAuth('jwt_not_enabled');
    }
    if (counted) return;
    if (verdict === 'rotate') await (together.counted ??= this.limiter.enforce('refresh_family', sid));
    else
      await this.limiter.enforce('refresh_repeat', `${sid} ${generation}`, {
        limit: REPEATS,
        windowSeconds: this.config.authRateWindow,
      });
  }
}
