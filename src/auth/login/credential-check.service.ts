import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { RefusalCounter } from '../../audit/refusal-counter.js';
import { Clock } from '../../common/clock.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { RateLimitService } from '../../limits/limits.service.js';
import type { SubjectBucket } from '../../limits/limits.service.js';
import { LoginFailureService } from '../../limits/login-failure.service.js';
import { PasswordHasher } from '../../users/hashing/password-hasher.js';
import type { User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';
import type { PasswordCheck } from '../../users/user.service.js';
import { normaliseUsername } from '../../users/username.js';
import { refuseAuth } from '../auth.errors.js';
import type { KnownDevice } from './known-devices.service.js';

/** A user name and a password as the client sent them. They are checked again if the account changes meanwhile. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** How many times the limit of one device all known devices of a user have together, right passwords included. */
const DEVICES = 4;

/**
 * Checks names and passwords so that nobody learns from status, text or time whether a user exists or is disabled, and
 * nobody guesses one account's password from many addresses.
 */
@Injectable()
export class CredentialCheckService {
  constructor(
    private readonly users: UserService,
    private readonly hasher: PasswordHasher,
    private readonly limiter: RateLimitService,
    private readonly failures: LoginFailureService,
    private readonly refusals: RefusalCounter,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * The user whose name and password these are. Throws 401 `invalid_credentials`, 429 when the account has seen too many
   * wrong passwords, 503 when too many wait for their check.
   *
   * A known `device` has limits and a share of the hashing pool of its own: failures elsewhere do not lock the owner out of it.
   */
  async check(given: Credentials, device: KnownDevice | undefined, origin: Origin): Promise<User> {
    const started = this.clock.monotonic();
    const account = normaliseUsername(given.username)?.key ?? given.username;
    const user = this.users.lookUp(given.username);
    // A caller that is over the limit does not learn that the look-up failed.
    user.catch(() => undefined);
    const checked =
      device === undefined
        ? await this.checkUnknown(given, account, user)
        : await this.checkKnown(given, account, user, device);
    if (checked.outcome === 'refused') return this.refuse(checked.cause, started, origin);
    return checked.user;
  }

  /** For an account that changed between the check and what was to follow it. */
  async again(given: Credentials, origin: Origin): Promise<User> {
    const started = this.clock.monotonic();
    const checked = await this.users.checkPassword(given.username, given.password, 'known');
    return checked.outcome === 'ok' ? checked.user : this.refuse(checked.cause, started, origin);
  }

  /** Whether the password is that of a user who is logged in already. Wrong ones count for that device alone. */
  async confirm(user: User, password: string, device: KnownDevice, origin: Origin): Promise<void> {
    const started = this.clock.monotonic();
    const right = await this.limited(
      device.bucket,
      device.id,
      () => this.users.checkPasswordOf(user, password, 'known'),
      (outcome) => outcome,
    );
    if (!right) return this.refuse('wrong_password', started, origin);
  }

  private async checkUnknown(
    { username, password }: Credentials,
    account: string,
    user: Promise<User | undefined>,
  ): Promise<PasswordCheck> {
    return this.limited(
      'account',
      account,
      async () => {
        const attempt = await this.failures.begin(account);
        try {
          const checked = await this.users.checkPassword(username, password, 'unknown', user);
          if (isRight(checked)) await attempt.succeeded();
          else await attempt.failed();
          return checked;
        } catch (error) {
          await attempt.cancelled();
          throw error;
        }
      },
      isRight,
    );
  }

  private async checkKnown(
    { username, password }: Credentials,
    account: string,
    user: Promise<User | undefined>,
    { userId, bucket, id }: KnownDevice,
  ): Promise<PasswordCheck> {
    // Without it, one account's devices could fill the share of all known ones.
    await this.limiter.enforce('device_user', userId, {
      limit: this.config.authRateLimit * DEVICES,
      windowSeconds: this.config.authRateWindow,
    });
    const checked = await this.limited(
      bucket,
      id,
      () => this.users.checkPassword(username, password, 'known', user),
      isRight,
    );
    if (isRight(checked)) await this.failures.reset(account);
    return checked;
  }

  /**
   * Counts the check before it is made, and takes it back after a right password: parallel guesses find no gap. A check that could
   * not be made was no guess either: overload must not lock an account.
   */
  private async limited<T>(
    bucket: SubjectBucket,
    subject: string,
    check: () => Promise<T>,
    succeeded: (checked: T) => boolean,
  ): Promise<T> {
    await this.limiter.enforce(bucket, subject);
    let counts = false;
    try {
      const checked = await check();
      counts = !succeeded(checked);
      return checked;
    } finally {
      if (!counts) this.limiter.refund(bucket, subject);
    }
  }

  private async refuse(cause: string, started: number, origin: Origin): Promise<never> {
    this.refusals.count(cause, origin.ip);
    await this.hasher.padFailure(started);
    throw refuseAuth('invalid_credentials');
  }
}

function isRight({ outcome }: PasswordCheck): boolean {
  return outcome === 'ok';
}
