import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { FREE_FAILURES, LONGEST_WAIT, LoginFailureStore } from './login-failure.store.js';
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
  constructor(private readonly store: LoginFailureStore) {}

  /** Starts an attempt, or throws 429 `rate_limited` while the account has to wait. */
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

  /** Forgets the failures of an account, after its user has logged in on a known device. */
  reset(account: string): Promise<void> {
    return this.store.reset(keyOf(account));
  }
}

/** Fixed in size, and without the name in plain text. */
function keyOf(account: string): Buffer {
  return hash('sha256', `login_failures\0${account}`, 'buffer').subarray(0, 16);
}
