import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { RefusalCounter } from '../audit/refusal-counter.js';
import { Clock } from '../common/clock.js';
import { RateLimiter } from '../limits/limits.service.js';
import { RefreshTokenService } from '../tokens/refresh-token.service.js';
import { PasswordHasher } from '../users/password-hasher.js';
import type { User } from '../users/user.entity.js';
import { UserService } from '../users/user.service.js';
import { normaliseUsername } from '../users/username.js';
import { refuseAuth } from './auth.errors.js';
import type { Credentials } from './login.service.js';

/**
 * Checks names and passwords so that nobody learns from status, text or time whether a user exists or is disabled, and
 * nobody guesses one account's password from many addresses.
 */
@Injectable()
export class CredentialCheck {
  constructor(
    private readonly users: UserService,
    private readonly hasher: PasswordHasher,
    private readonly limiter: RateLimiter,
    private readonly tokens: RefreshTokenService,
    private readonly refusals: RefusalCounter,
    private readonly clock: Clock,
  ) {}

  /**
   * The user whose name and password these are. Throws 401 `invalid_credentials`, 429 when the account has seen too many
   * wrong passwords, 503 when too many wait for their check.
   *
   * `device` is the refresh token of a login that the caller already has, if it has one: failures elsewhere do not lock
   * the owner out of a known device, which has an allowance of its own.
   */
  async check(given: Credentials, device: string | undefined, origin: Origin): Promise<User> {
    const started = this.clock.monotonic();
    const account = normaliseUsername(given.username)?.key ?? given.username;
    const subject = await this.subjectOf(account, device);
    const user = this.users.lookUp(given.username);
    // Whoever is over the limit does not learn that the look-up failed.
    user.catch(() => undefined);
    // Reserved before the check and given back after a right password: parallel guesses find no gap.
    await this.limiter.enforce('account', subject);
    const checked = await this.counted(subject, () =>
      this.users.checkPassword(given.username, given.password, user),
    );
    if (checked.outcome === 'refused') return this.refuse(checked.cause, started, origin);
    this.limiter.refund('account', subject);
    return checked.user;
  }

  /** For an account that changed between the check and what was to follow it. */
  async again(given: Credentials, origin: Origin): Promise<User> {
    const started = this.clock.monotonic();
    const checked = await this.users.checkPassword(given.username, given.password);
    return checked.outcome === 'ok' ? checked.user : this.refuse(checked.cause, started, origin);
  }

  /** Whether the password is that of a user who is logged in already. Wrong ones count for that login alone. */
  async confirm(user: User, password: string, device: string, origin: Origin): Promise<void> {
    const started = this.clock.monotonic();
    const subject = `${user.id} ${device}`;
    await this.limiter.enforce('account', subject);
    const right = await this.counted(subject, () => this.users.checkPasswordOf(user, password));
    if (!right) return this.refuse('wrong_password', started, origin);
    this.limiter.refund('account', subject);
  }

  /** A check that could not be made was no guess: overload must not lock an account. */
  private async counted<T>(subject: string, check: () => Promise<T>): Promise<T> {
    try {
      return await check();
    } catch (error) {
      this.limiter.refund('account', subject);
      throw error;
    }
  }

  private async subjectOf(account: string, device: string | undefined): Promise<string> {
    const login = device === undefined ? undefined : await this.tokens.recognise(device);
    if (login === undefined) return account;
    const owner = await this.users.find(login.userId);
    return owner?.usernameKey === account ? `${account} ${login.sid}` : account;
  }

  private async refuse(cause: string, started: number, origin: Origin): Promise<never> {
    this.refusals.count(cause, origin.ip);
    await this.hasher.padFailure(started);
    throw refuseAuth('invalid_credentials');
  }
}
