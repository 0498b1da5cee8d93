import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { FREE_FAILURES, LONGEST_WAIT, LoginFailureStore } from './login-failure.store.js';
import { refused } from './limit-outcome.js';
import { tooMany } from './limits.service.js';

/** An attempt to log in that may be made. Exactly one of its methods has to be called. */
export interface LoginAttempt {
  /** The password was wrong. */
  failed(): Promise<void>;
  /** It was right: the failures before it no longer count. */
  succeeded(): Promise<void>;
  /** It was not checked. */
  cancelled(): Promise<void>;
}

/**
 * Limits the failed logins in a row of one account, from whatever addresses (NIST SP 800-63B-4, section 3.2.2): 100 are free, and
 * then each has to wait longer than the one before, up to an hour. Names that nobody has are counted in the same way.
 */
@Injectable()
export class LoginFailures {
  constructor(private readonly store: LoginFailureStore) {}

  /** Begins an attempt, or throws the 429 `rate_limited` while the account has to wait. */
  async begin(account: string): Promise<LoginAttempt> {
    const key = keyOf(account);
    const state = await this.store.admit(key);
    if (state !== undefined && state.failures >= FREE_FAILURES && !state.reserved) {
      const wait = Math.max(1_000, state.waitMs);
      throw tooMany('account', refused({ limit: FREE_FAILURES, windowSeconds: LONGEST_WAIT }, wait));
    }
    const reserved = state?.reserved === true;
    return {
      failed: async () => {
        if (!reserved) await this.store.count(key);
      },
      succeeded: async () => {
        if (state !== undefined) await this.store.reset(key);
      },
      cancelled: async () => {
        if (reserved) await this.store.takeBack(key);
      },
    };
  }

  /** For a user who logged in on a known device: the failures before it no longer count. */
  reset(account: string): Promise<void> {
    return this.store.reset(keyOf(account));
  }
}

/** Fixed in size, and without the name in the clear. */
function keyOf(account: string): Buffer {
  return hash('sha256', `login_failures\0${account}`, 'buffer').subarray(0, 16);
}
