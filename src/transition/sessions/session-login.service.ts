import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { CredentialCheckService } from '../../auth/login/credential-check.service.js';
import type { Credentials } from '../../auth/login/credential-check.service.js';
import { unavailable } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { TransitionConfig } from '../transition.settings.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import type { User } from '../../users/user.entity.js';
import { SessionCookieService } from './http/session-cookie.service.js';
import { SessionStore } from './stores/session.store.js';
import type { NewSession } from './stores/session.store.js';
import { SessionPasswordProofStore } from './stores/session-password-proof.store.js';
import { SessionService } from './session.service.js';
import type { StoredCookie } from './stores/express-session.codec.js';

/** A session that was just opened, and its cookie. */
export interface OpenedSession {
  readonly sid: string;
  readonly cookie: StoredCookie;
  /** The lifetime of the cookie, in seconds. */
  readonly maxAge: number;
  /** The Set-Cookie lines of the product that opened the session. If they are undefined, Tandem writes the cookie. */
  readonly setCookies?: readonly string[] | undefined;
}

/** The user that a session is opened for. */
export type SessionUser = Pick<User, 'id' | 'externalId'>;

@Injectable()
export class SessionLoginService {
  private readonly path: readonly string[];

  constructor(
    private readonly store: SessionStore,
    private readonly sessions: SessionService,
    private readonly cookie: SessionCookieService,
    private readonly credentials: CredentialCheckService,
    private readonly clock: DatabaseClock,
    private readonly proofs: SessionPasswordProofStore,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {
    this.path = config.sessionUserKey.split('.');
  }

  /**
   * Opens a session under a new id for a user whose credentials the local guard has verified, and revokes those that the caller had. If
   * the account has changed since, the credentials are checked again.
   */
  async open(
    user: User,
    given: Credentials,
    before: readonly string[],
    origin: Origin,
  ): Promise<OpenedSession> {
    const replaced = await this.cookieOfAny(before);
    let opened = await this.begin(user, replaced, origin);
    opened ??= await this.begin(await this.credentials.recheck(given, origin), replaced, origin);
    if (opened === undefined) throw unavailable(new Error('the account keeps changing'));
    await this.proofs.record(opened.sid);
    for (const sid of before) await this.sessions.revokePresented(sid, origin);
    return opened;
  }

  /** A session of the user, not stored yet; `life` in seconds. The new cookie replaces the one that it is `like`. */
  prepare(user: SessionUser, life: number, like?: StoredCookie): NewSession & OpenedSession {
    const expiresAt = Math.ceil((this.clock.now() + life * 1000) / 1000) * 1000;
    const cookie = this.cookie.attributesFor(expiresAt, like);
    // The name by which the other application finds its user.
    const name = user.externalId ?? user.id;
    const held = this.path.reduceRight<unknown>((inner, step) => ({ [step]: inner }), name) as object;
    return {
      sid: randomBytes(24).toString('base64url'),
      userId: user.id,
      sess: { ...held, cookie },
      expiresAt,
      cookie,
      maxAge: life,
    };
  }

  private async cookieOfAny(sids: readonly string[]): Promise<StoredCookie | undefined> {
    for (const sid of sids) {
      const cookie = await this.store.cookieOf(sid);
      if (cookie !== undefined) return cookie;
    }
    return undefined;
  }

  private async begin(
    user: User,
    like: StoredCookie | undefined,
    origin: Origin,
  ): Promise<OpenedSession | undefined> {
    const session = this.prepare(user, this.config.sessionExpiry, like);
    return (await this.store.create(session, user.epoch, origin)) ? session : undefined;
  }
}
