import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../../audit/audit-context.js';
import { AuditStore } from '../../../audit/audit.store.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { judge } from '../../../auth/refresh/refresh.service.js';
import type { RevocationTransaction } from '../../../tokens/families/revocation-transaction.js';
import { RevocationService } from '../../../tokens/families/revocation.service.js';
import type { VerifiedRefreshToken } from '../../../tokens/families/refresh-token.service.js';
import { RefreshTokenStore } from '../../../tokens/families/refresh-token.store.js';
import type { TokenFamily } from '../../../tokens/families/token-family.js';
import type { TokenErrorCode } from '../../../tokens/tokens.errors.js';
import { DowngradeStore, isReused } from './downgrade.store.js';
import { LinkedRevocationStore } from './linked-revocation.store.js';
import type { SessionOwner } from './linked-revocation.store.js';
import { SessionLoginService } from '../session-login.service.js';
import type { OpenedSession } from '../session-login.service.js';
import { SessionStore } from '../stores/session.store.js';

/** The result of a downgrade. Refusals are values, so that a revocation that comes with one is committed. */
export type Downgraded =
  | { readonly outcome: 'given'; readonly session: OpenedSession; readonly user: SessionOwner }
  | { readonly outcome: 'refused'; readonly code: TokenErrorCode };

const refused = (code: TokenErrorCode): Downgraded => ({ outcome: 'refused', code });

/** Downgrades a token family to a session. */
@Injectable()
export class DowngradeService {
  constructor(
    private readonly sessions: SessionStore,
    private readonly linked: LinkedRevocationStore,
    private readonly downgrades: DowngradeStore,
    private readonly logins: SessionLoginService,
    private readonly families: RefreshTokenStore,
    private readonly revocations: RevocationService,
    private readonly audit: AuditStore,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  /**
   * Revokes the family and opens a session under a new id. A session that is linked to the family is revoked with it, so there is never
   * a second one. A repeated call within the windows of a refresh returns the same session; a token that was spent outside of them is
   * reuse. The session ends at the latest when the family would have expired. If the token came in the cookie, the family counts as
   * delivered by cookie from then on, so that an exchange of the session shows no refresh token to a script.
   */
  async downgrade(
    { family, generation }: VerifiedRefreshToken,
    origin: Origin,
    byCookie = false,
  ): Promise<Downgraded> {
    const { sid } = family;
    // Another application may have ended its session.
    if (!family.revoked && !(await this.revocations.mayContinue(family, origin)))
      return refused('refresh_token_revoked');
    return this.revocations.transaction(async (revocation) => {
      const downgraded = await this.within(revocation, { family, generation }, origin);
      if (byCookie && downgraded.outcome === 'given')
        await this.families.deliverByCookie(revocation.sql, sid);
      return downgraded;
    });
  }

  private async within(
    revocation: RevocationTransaction,
    { family: { sid, userId }, generation }: VerifiedRefreshToken,
    origin: Origin,
  ): Promise<Downgraded> {
    const user = await this.linked.lockUser(revocation.sql, userId);
    const current = await this.families.hold(revocation.sql, sid);
    if (user === undefined || current === undefined) return refused('refresh_token_invalid');
    if (current.revoked) return this.repeat(revocation, current, user, generation, origin);
    if (current.expired) return refused('refresh_token_expired');
    const verdict = judge(current, generation, this.config);
    if (verdict === 'unknown') return refused('refresh_token_invalid');
    if (verdict === 'reused') return this.revokeReused(revocation, current, origin);
    return this.openSession(revocation, current, user, generation, origin);
  }

  private async openSession(
    revocation: RevocationTransaction,
    family: TokenFamily,
    user: SessionOwner,
    generation: number,
    origin: Origin,
  ): Promise<Downgraded> {
    const { sql } = revocation;
    const { sid: familyId, userId, absoluteExpiresAt: endsAt, now } = family;
    // The browser still has the cookie of the linked session.
    const like = await this.sessions.cookieOfFamily(sql, familyId);
    await revocation.revokeFamilies([familyId], 'downgrade');
    const life = Math.min(this.config.sessionExpiry, Math.ceil((endsAt - now) / 1000));
    const session = await this.sessions.insert(sql, this.logins.prepare(user, life, like));
    await this.downgrades.add(sql, {
      sid: session.sid,
      userId,
      familyId,
      spentGeneration: generation,
      endsAt,
      byProduct: session.setCookies !== undefined,
    });
    await this.audit.add({ event: 'downgrade', cause: 'downgrade', userId, sid: familyId }, origin, sql);
    return { outcome: 'given', session, user };
  }

  /** The family is revoked already, perhaps by an earlier call whose response was lost. */
  private async repeat(
    revocation: RevocationTransaction,
    family: TokenFamily,
    user: SessionOwner,
    generation: number,
    origin: Origin,
  ): Promise<Downgraded> {
    const { sql } = revocation;
    const downgraded = await this.downgrades.sessionOf(family.sid, sql);
    if (downgraded === undefined || downgraded.revoked) return refused('refresh_token_revoked');
    if (generation > family.generation) return refused('refresh_token_invalid');
    if (isReused(downgraded, generation, this.config)) return this.revokeReused(revocation, family, origin);
    const { sid } = downgraded;
    const live = await this.sessions.liveIn(sql, sid);
    if (live === undefined) return refused('refresh_token_revoked');
    const cookie = (await this.sessions.cookieOf(sid, sql)) ?? {};
    const maxAge = Math.ceil((live.expiresAt - live.now) / 1000);
    const setCookies = await this.sessions.setCookiesOf(sid);
    return { outcome: 'given', session: { sid, cookie, maxAge, setCookies }, user };
  }

  /** Revokes the family with everything that came from it. */
  private async revokeReused(
    revocation: RevocationTransaction,
    { sid, userId }: TokenFamily,
    origin: Origin,
  ): Promise<Downgraded> {
    await revocation.revokeFamilies([sid], 'reuse');
    await this.audit.add({ event: 'refresh_reused', cause: 'reuse', userId, sid }, origin, revocation.sql);
    return refused('refresh_token_reused');
  }
}
