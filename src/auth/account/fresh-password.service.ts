import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { PasswordProofStore } from '../../tokens/families/password-proof.store.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import { UserService } from '../../users/user.service.js';
import { refuseAuth } from '../auth.errors.js';
import { CredentialCheckService } from '../login/credential-check.service.js';
import { deviceOf } from '../login/known-devices.service.js';
import type { Principal } from '../principal.js';

/** Keeps when the password of each session was last entered. */
export interface SessionPasswordProofs {
  /** Whether the password was entered in this session within the last five minutes. */
  isFresh(sessionId: string): Promise<boolean>;
  /** Records that the password was entered in this session now. */
  record(sessionId: string): Promise<void>;
}

/**
 * Knows whether the password was entered in a token family or session within the last five minutes: at the login, by {@link
 * reauthenticate}, or to change the password. A refresh does not count. So a stolen access token is not enough for the actions that need a
 * fresh password, unless the owner has just logged in.
 */
@Injectable()
export class FreshPasswordService {
  private sessions: SessionPasswordProofs | undefined;

  constructor(
    private readonly users: UserService,
    private readonly credentials: CredentialCheckService,
    private readonly families: PasswordProofStore,
  ) {}

  /** Adds the proofs of sessions. The composition module calls it before the service starts. */
  use(sessions: SessionPasswordProofs): void {
    this.sessions = sessions;
  }

  /** Whether the caller's password is fresh. A session and the family that is linked to it count as one. */
  async isFresh({ sid, sessionId }: Principal): Promise<boolean> {
    if (sid !== undefined && (await this.families.isFresh(sid))) return true;
    return sessionId !== undefined && (await this.sessions?.isFresh(sessionId)) === true;
  }

  /** Throws 403 `fresh_password_required`. */
  async require(principal: Principal): Promise<void> {
    if (!(await this.isFresh(principal))) throw refuseFreshPassword();
  }

  /**
   * Checks the password of the caller and records the proof. Throws 401 `invalid_credentials`, also for a user without a password, and
   * 429 after too many wrong ones.
   */
  async reauthenticate(principal: Principal, password: string, origin: Origin): Promise<void> {
    const user = await this.users.find(principal.userId);
    if (user === undefined) throw refuseToken('token_revoked');
    const given = { username: user.username, password };
    const proved = await this.credentials.check(given, deviceOf(principal), origin);
    // Somebody else may have this username by now.
    if (proved.id !== user.id) throw refuseAuth('invalid_credentials');
    await this.record(principal);
  }

  /** Records that the caller has entered the password now. */
  async record({ sid, sessionId }: Principal): Promise<void> {
    if (sid !== undefined) await this.families.record(sid);
    if (sessionId !== undefined) await this.sessions?.record(sessionId);
  }
}

/** Creates the 403 `fresh_password_required`, which says what to do. */
export function refuseFreshPassword() {
  return refuseAuth('fresh_password_required', {
    detail: 'Send the password to POST /auth/reauthenticate, then repeat the call within five minutes',
  });
}
