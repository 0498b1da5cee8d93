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
import { isReused } from './downgraded-session.js';
import { LinkedRevocationStore } from './linked-revocation.store.js';
import type { SessionOwner } from './linked-revocation.store.js';
import { SessionLinkStore } from './session-link.store.js';
import { SessionLoginService } from '../session-login.service.js';
import type { OpenedSession } from '../session-login.service.js';
import { SessionStore } from '../stores/session.store.js';

/** What came of it. Refusals are values: the ending that goes with one must commit. */
export type Downgraded =
  | { readonly outcome: 'given'; readonly session: OpenedSession; readonly user: SessionOwner }
  | { readonly outcome: 'refused'; readonly code: TokenErrorCode };

const refused = (code: TokenErrorCode): Downgraded => ({ outcome: 'refused', code });

/** Gives a session for a login by tokens. */
@Injectable()
export class DowngradeService {
  constructor(
    private readonly sessions: SessionStore,
    private readonly fates: LinkedRevocationStore,
    private readonly links: SessionLinkStore,
    private readonly opening: SessionLoginService,
    private readonly families: RefreshTokenStore,
    private readonly revocations: RevocationService,
    private readonly audit: AuditStore,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  /**
   * Ends the login and begins a session, under an id that nobody has seen before; a session that the login was exchanged from ends
   * with it, so there is never a second one. Repeating it within the windows of a refresh gives the same session again, a token that
   * was spent outside them is theft. The session ends when the login would have at the latest. If the token came in the cookie, the
   * family counts as delivered by cookie from then on, so that an exchange of the session shows no refresh token to a script.
   */
  async downgrade(
    { family, generation }: VerifiedRefreshToken,
    origin: Origin,
    byCookie = false,
  ): Promise<Downgraded> {
    const { sid } = family;
    // Its session may have ended in another application.
    if (!family.revoked && !(await this.revocations.mayContinue(family, origin)))
      return refused('refresh_token_revoked');
    return this.revocations.transaction(async (endings) => {
      const downgraded = await this.within(endings, { family, generation }, origin);
      if (byCookie && downgraded.outcome === 'given') await this.families.deliverByCookie(endings.sql, sid);
      return downgraded;
    });
  }

  private async within(
    endings: RevocationTransaction,
    { family: { sid, userId }, generation }: VerifiedRefreshToken,
    origin: Origin,
  ): Promise<Downgraded> {
    const user = await this.fates.lockUser(endings.sql, userId);
    const held = await this.families.hold(endings.sql, sid);
    if (user === undefined || held === undefined) return refused('refresh_token_invalid');
    if (held.revoked) return this.again(endings, held, user, generation, origin);
    if (held.expired) return refused('refresh_token_expired');
    const verdict = judge(held, generation, this.config);
    if (verdict === 'unknown') return refused('refresh_token_invalid');
    if (verdict === 'reused') return this.stolen(endings, held, origin);
    return this.give(endings, held, user, generation, origin);
  }

  private async give(
    endings: RevocationTransaction,
    login: TokenFamily,
    user: SessionOwner,
    generation: number,
    origin: Origin,
  ): Promise<Downgraded> {
    const { sql } = endings;
    const { sid: familyId, userId, absoluteExpiresAt: endsAt, now } = login;
    // The browser still has the cookie of the session that the login was exchanged from.
    const like = await this.sessions.cookieOfFamily(sql, familyId);
    await endings.revokeFamilies([familyId], 'downgrade');
    const life = Math.min(this.config.sessionExpiry, Math.ceil((endsAt - now) / 1000));
    const session = this.opening.prepare(user, life, like);
    await this.sessions.insert(sql, session);
    await this.links.replace(sql, {
      sid: session.sid,
      userId,
      familyId,
      spentGeneration: generation,
      endsAt,
    });
    await this.audit.add({ event: 'downgrade', cause: 'downgrade', userId, sid: familyId }, origin, sql);
    return { outcome: 'given', session, user };
  }

  /** The login has ended: perhaps by this very call, whose answer was lost. */
  private async again(
    endings: RevocationTransaction,
    login: TokenFamily,
    user: SessionOwner,
    generation: number,
    origin: Origin,
  ): Promise<Downgraded> {
    const { sql } = endings;
    const replacement = await this.links.replacementOf(login.sid, sql);
    if (replacement === undefined || replacement.ended) return refused('refresh_token_revoked');
    if (generation > login.generation) return refused('refresh_token_invalid');
    if (isReused(replacement, generation, this.config)) return this.stolen(endings, login, origin);
    const { sid } = replacement;
    const live = await this.sessions.liveIn(sql, sid);
    if (live === undefined) return refused('refresh_token_revoked');
    const cookie = (await this.sessions.cookieOf(sid, sql)) ?? {};
    const maxAge = Math.ceil((live.expiresAt - live.now) / 1000);
    return { outcome: 'given', session: { sid, cookie, maxAge }, user };
  }

  /** Whatever came of the login ends. */
  private async stolen(
    endings: RevocationTransaction,
    { sid, userId }: TokenFamily,
    origin: Origin,
  ): Promise<Downgraded> {
    await endings.revokeFamilies([sid], 'reuse');
    await this.audit.add({ event: 'refresh_reused', cause: 'reuse', userId, sid }, origin, endings.sql);
    return refused('refresh_token_reused');
  }
}
