import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { RefusalCounter } from '../../../audit/refusal-counter.js';
import type { AuthenticatedRequest } from '../../../auth/principal.js';
import { originOf } from '../../../auth/http/request-origin.js';
import type { PresentedRefreshTokens } from '../../../auth/http/presented-credentials.js';
import { Problem } from '../../../common/http/problem.js';
import { clientAddress } from '../../../limits/client-address.js';
import { ClientRateLimitService } from '../../../limits/client-rate-limit.service.js';
import { RateLimitService } from '../../../limits/limits.service.js';
import type { AddressBucket } from '../../../limits/bucket.js';
import type { TokenDelivery } from '../../../tokens/families/refresh-token.entity.js';
import { PresentedTokensService } from '../../../tokens/families/presented-tokens.service.js';
import { RefreshTokenService } from '../../../tokens/families/refresh-token.service.js';
import type { OpenedFamily } from '../../../tokens/families/refresh-token.service.js';
import { refuseToken } from '../../../tokens/tokens.errors.js';
import { RolloutService } from '../../rollout/rollout.service.js';
import { DowngradeService } from './downgrade.service.js';
import type { Downgraded } from './downgrade.service.js';
import { ExchangeService } from './exchange.service.js';
import { SessionAuthenticationService } from '../http/session-authentication.service.js';
import { refuseNewSession } from '../sessions.errors.js';
import { SessionService } from '../session.service.js';
import type { LiveSession } from '../stores/session.store.js';

/** The statuses that refuse the caller. Others, such as 503, do not count. */
const REFUSALS = new Set([401, 403, 409]);

/**
 * Exchanges and downgrades within their rate limits. Refused calls count by address, accepted ones by session or family, so that many
 * users behind one address do not lock each other out.
 */
@Injectable()
export class ExchangeLimitsService {
  constructor(
    private readonly callers: SessionAuthenticationService,
    private readonly sessions: SessionService,
    private readonly exchanges: ExchangeService,
    private readonly downgrades: DowngradeService,
    private readonly tokens: RefreshTokenService,
    private readonly presented: PresentedTokensService,
    private readonly rollout: RolloutService,
    private readonly limiter: RateLimitService,
    private readonly clients: ClientRateLimitService,
    private readonly refusals: RefusalCounter,
  ) {}

  /** The token family of the session that calls. Throws like {@link SessionAuthenticationService} and {@link ExchangeService}, and 429. */
  exchange(
    request: AuthenticatedRequest,
    reply: FastifyReply,
    delivery: TokenDelivery,
  ): Promise<OpenedFamily> {
    return this.counted('exchange', request, async () => {
      const session = await this.callers.requireSession(request, { changesState: true });
      const isCounted = await this.confirmUser(session);
      const opened = await this.exchanges.exchange(session, delivery, originOf(request), isCounted);
      await this.sessions.extendWithFamily(session, opened.family, reply);
      return opened;
    });
  }

  /** The session that the presented family is downgraded to. Throws 410 `sessions_removed`, 401 of the refresh token, 429. */
  async downgrade(
    request: AuthenticatedRequest,
    { tokens, byCookie }: PresentedRefreshTokens,
  ): Promise<Extract<Downgraded, { outcome: 'given' }>> {
    if (this.rollout.phase() === 'sessions_removed') throw refuseNewSession('sessions_removed');
    return this.counted('downgrade', request, async () => {
      const token = await this.presented.choose(tokens);
      const presented = token === undefined ? undefined : await this.tokens.verify(token);
      if (presented === undefined) throw refuseToken('refresh_token_invalid');
      await this.limiter.enforce('downgrade_family', presented.family.sid);
      const downgraded = await this.downgrades.downgrade(presented, originOf(request), byCookie);
      if (downgraded.outcome === 'refused') throw refuseToken(downgraded.code);
      return downgraded;
    });
  }

  /** If the product owns the users, counts the call and asks the product for the user. False, and nothing counted, if it does not. */
  private async confirmUser(session: LiveSession): Promise<boolean> {
    if (!this.callers.mustConfirm(session)) return false;
    await this.limiter.enforce('exchange_session', session.sid, undefined, { userId: session.userId });
    await this.callers.confirmUser(session);
    return true;
  }

  /** Counts a refusal by address. Over the limit, the answer is 429 instead. */
  private async counted<T>(
    bucket: AddressBucket,
    request: AuthenticatedRequest,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Problem && REFUSALS.has(error.getStatus())) {
        // Reuse is audited already.
        if (error.code !== 'refresh_token_reused') this.refusals.count(error.code, clientAddress(request));
        await this.clients.enforce(bucket, request);
      }
      throw error;
    }
  }
}
