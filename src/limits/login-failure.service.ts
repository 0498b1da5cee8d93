import { Injectable } from '@nestjs/common';
import { BlockedSubjects } from './blocked/blocked-subjects.js';
import type { CounterOwner } from './bucket.js';
import { counterKey } from './counter-key.js';
import { FREE_FAILURES, LONGEST_WAIT, LoginFailureStore, waitAfter } from './login-failure.store.js';
import { refused } from './quota.js';
import { tooMany } from './limits.service.js';

/** An admitted attempt to log in. Call exactly one of its methods. */
export interface LoginAttempt {
  /** Records that the password was wrong. */
  failed(): Promise<void>;
  /** Records that the password was right, so that earlier failures no longer count. */
  succeeded(): Promise<void>;
  /** Records that the password was not checked. */
  cancelled(): Promise<void>;
}

/**
 * Limits the consecutive failed logins of one account, over all addresses (NIST SP 800-63B-4, section 3.2.2). The first 100 are free.
 * Then each attempt has to wait longer than the one before, up to an hour. Names of unknown users are counted in the same way.
 */
@Injectable()
export class LoginFailureService {
  constructor(
    private readonly store: LoginFailureStore,
    private readonly blocked: BlockedSubjects,
  ) {}

  /**
   * Starts an attempt, or throws 429 `rate_limited` while the account has to wait. `owner`: for the list of what is blocked.
   */
  async begin(account: string, owner?: CounterOwner): Promise<LoginAttempt> {
    const key = keyOf(account);
    const state = await this.store.admit(key);
    if (state !== undefined && state.failures >= FREE_FAILURES && !state.reserved) {
      const wait = Math.max(1_000, state.waitMs);
      this.note(account, wait, owner);
      throw tooMany('account', refused(QUOTA, wait));
    }
    const reserved = state?.reserved === true;
    return {
      failed: async () => {
        if (!reserved) await this.store.count(key);
        const wait = waitAfter((state?.failures ?? 0) + 1);
        if (wait > 0) this.note(account, wait, owner);
      },
      succeeded: async () => {
        if (state !== undefined) await this.store.reset(key);
      },
      cancelled: async () => {
        if (reserved) await this.store.takeBack(key);
      },
    };
  }

  /** Forgets the failures of an account, after its user has logged in on a known device. */
  reset(account: string): Promise<void> {
    return this.store.reset(keyOf(account));
  }

  private note(account: string, ms: number, owner: CounterOwner | undefined): void {
    const key = counterKey('login_failures', account);
    this.blocked.add({ key, scope: 'failed_logins', subject: account, owner, quota: QUOTA, ms });
  }
}

const QUOTA = { limit: FREE_FAILURES, windowSeconds: LONGEST_WAIT };

/** Fixed in size, and without the name in plain text. */
function keyOf(account: string): Buffer {
  return Buffer.from(counterKey('login_failures', account), 'hex');
}
