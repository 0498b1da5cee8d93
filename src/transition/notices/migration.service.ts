import { Injectable } from '@nestjs/common';
import type { AuthenticatedRequest } from '../../auth/principal.js';
import { bearerIn } from '../../auth/http/presented-credentials.js';
import { Problem } from '../../common/http/problem.js';
import { RolloutService } from '../rollout/rollout.service.js';
import { SessionAuthenticationService } from '../sessions/http/session-authentication.service.js';
import { SessionCookieService } from '../sessions/http/session-cookie.service.js';
import { DeprecationService } from './deprecation.service.js';
import type { MigrationDto } from './notice.dto.js';
import { longDate } from './notice-mail.js';

/** Describes the migration from sessions to tokens, and says whether the caller should see the banner. */
@Injectable()
export class MigrationService {
  constructor(
    private readonly rollout: RolloutService,
    private readonly deprecations: DeprecationService,
    private readonly sessionAuthentication: SessionAuthenticationService,
    private readonly cookie: SessionCookieService,
  ) {}

  async describe(request: AuthenticatedRequest): Promise<MigrationDto> {
    const user = await this.sessionUser(request);
    const phase = this.rollout.phase();
    const { sunsetAt } = this.rollout.current();
    // After the sunset every session is refused, so the cookie alone counts.
    const usesSession = user !== undefined || (phase === 'sessions_removed' && this.carriesSession(request));
    return {
      phase,
      banner: {
        show: usesSession && this.deprecations.current() !== undefined,
        message: messageOf(sunsetAt, phase === 'sessions_removed'),
        sunset_at: sunsetAt === null ? null : new Date(sunsetAt).toISOString(),
        guide_url: this.deprecations.guideUrl,
      },
      ...(user === undefined ? {} : { eligible: await this.rollout.isEligible(user) }),
    };
  }

  /** Returns the user of the session; undefined for a caller without a valid session. */
  private async sessionUser(request: AuthenticatedRequest) {
    if (!this.carriesSession(request)) return undefined;
    try {
      const { userId, role } = await this.sessionAuthentication.authenticate(request, {
        changesState: false,
        evenDuringBrownout: true,
      });
      return { id: userId, role };
    } catch (error) {
      if (error instanceof Problem && error.getStatus() === 401) return undefined;
      throw error;
    }
  }

  /** Whether the request has a session cookie and no token, which takes precedence. */
  private carriesSession(request: AuthenticatedRequest): boolean {
    return bearerIn(request.headers.authorization) === undefined && this.cookie.mayBeIn(request);
  }
}

function messageOf(sunsetAt: number | null, removed: boolean): string {
  if (removed) return 'The way you sign in has changed. Please sign in again.';
  const what = 'Please sign out and sign in again';
  if (sunsetAt === null) return `The way you sign in will change soon. ${what}, or you will be signed out.`;
  const day = longDate(new Date(sunsetAt));
  return `The way you sign in will change on ${day}. ${what} before then, or you will be signed out.`;
}
