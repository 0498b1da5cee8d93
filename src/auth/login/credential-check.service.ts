import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { RefusalCounter } from '../../audit/refusal-counter.js';
import { Clock } from '../../common/clock.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { RateLimitService } from '../../limits/limits.service.js';
import { productAccount } from '../../limits/counter-key.js';
import type { CounterOwner, SubjectBucket } from '../../limits/bucket.js';
import { LoginFailureService } from '../../limits/login-failure.service.js';
import type { LoginAttempt } from '../../limits/login-failure.service.js';
import { PasswordHasher } from '../../users/hashing/password-hasher.js';
import type { AdminRole } from '../../users/admin-role.js';
import type { User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';
import type { Share } from '../../users/hashing/work-queue.js';
import type { PasswordCheck } from '../../users/user.service.js';
import { normaliseUsername } from '../../users/username.js';
import { refuse } from '../../common/common.errors.js';
import { refuseAuth } from '../auth.errors.js';
import type { KnownDevice } from './known-devices.service.js';

/** The user name and the password as the client sent them. They are checked again if the account changes meanwhile. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The limit of all known devices of a user together, as a multiple of the limit of one device. Right passwords count too. */
const DEVICES = 4;

/**
 * Checks usernames and passwords. Status, text and time do not reveal whether a user exists or is disabled. Attackers cannot guess the
 * password of one account from many addresses.
 */
@Injectable()
export class CredentialCheckService {
  private onlyAdministrators: AdminRole | undefined;

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
   * Lets only administrators log in with a password. Everybody else gets 404, after the same work and in the same time, so that nobody
   * learns who is an administrator. The composition module calls it before the service starts.
   */
  admitOnlyAdministrators(role: AdminRole): void {
    this.onlyAdministrators = role;
  }

  get admitsEverybody(): boolean {
    return this.onlyAdministrators === undefined;
  }

  /** Creates the refusal of a login. */
  refusal() {
    return this.onlyAdministrators !== undefined ? refuse('not_found') : refuseAuth('invalid_credentials');
  }

  /**
   * Returns the user with this name and password. Throws 401 `invalid_credentials`, 429 after too many wrong passwords for the account, 503
   * if too many password checks are waiting.
   *
   * A known `device` has its own limits and its own share of the hashing pool, so that failures elsewhere do not lock its owner out.
   */
  async check(given: Credentials, device: KnownDevice | undefined, origin: Origin): Promise<User> {
    const started = this.clock.monotonic();
    const account = normaliseUsername(given.username)?.key ?? given.username;
    const user = this.users.lookUp(given.username);
    const owner: CounterOwner = { address: origin.ip, isPending: true };
    // A caller over the limit gets 429, even if the look-up fails.
    user
      .then(
        (found) => (owner.userId = found?.id),
        () => undefined,
      )
      .finally(() => (owner.isPending = undefined));
    const checked =
      device === undefined
        ? await this.checkUnknown(given, account, user, owner)
        : await this.checkKnown(given, account, user, device, owner);
    if (checked.outcome === 'refused') return this.refuse(checked.cause, started, origin);
    return checked.user;
  }

  /** Checks the credentials again, for an account that changed after {@link check}. */
  async recheck(given: Credentials, origin: Origin): Promise<User> {
    const started = this.clock.monotonic();
    const checked = this.admitted(await this.users.checkPassword(given.username, given.password, 'known'));
    return checked.outcome === 'ok' ? checked.user : this.refuse(checked.cause, started, origin);
  }

  /** Checks the password of a user who is logged in already. A wrong one counts for this device only. */
  async confirm(user: User, password: string, device: KnownDevice, origin: Origin): Promise<void> {
    const started = this.clock.monotonic();
    const right = await this.limited(
      device.bucket,
      device.id,
      () => this.users.checkPasswordOf(user, password, 'known'),
      (outcome) => outcome,
      { userId: device.userId, address: origin.ip },
    );
    if (!right) return this.refuse('wrong_password', started, origin, refuseAuth('invalid_credentials'));
  }

  private async checkUnknown(
    { username, password }: Credentials,
    account: string,
    user: Promise<User | undefined>,
    owner: CounterOwner,
  ): Promise<PasswordCheck> {
    const check = () => this.checkPassword(username, password, 'unknown', user);
    return this.limited(
      'account',
      account,
      () =>
        this.attempted(account, owner, async () => {
          const id = productAccountOf(await user);
          if (id === undefined) return check();
          // A product may know one user by several names.
          return this.limited('account', id, () => this.attempted(id, owner, check), isRight, owner);
        }),
      isRight,
      owner,
    );
  }

  /** Counts consecutive failures of the account. */
  private async attempted(
    account: string,
    owner: CounterOwner,
    check: () => Promise<PasswordCheck>,
  ): Promise<PasswordCheck> {
    const attempt: LoginAttempt = await this.failures.begin(account, owner);
    try {
      const checked = await check();
      if (isRight(checked)) await attempt.succeeded();
      else await attempt.failed();
      return checked;
    } catch (error) {
      await attempt.cancelled();
      throw error;
    }
  }

  private async checkPassword(
    username: string,
    password: string,
    share: Share,
    user: Promise<User | undefined>,
  ): Promise<PasswordCheck> {
    return this.admitted(await this.users.checkPassword(username, password, share, user));
  }

  private admitted(checked: PasswordCheck): PasswordCheck {
    const admins = this.onlyAdministrators;
    const isOut = admins !== undefined && checked.outcome === 'ok' && !admins.isHeldBy(checked.user);
    return isOut ? { outcome: 'refused', cause: 'password_login_off' } : checked;
  }

  private async checkKnown(
    { username, password }: Credentials,
    account: string,
    user: Promise<User | undefined>,
    { userId, bucket, id }: KnownDevice,
    { address }: CounterOwner,
  ): Promise<PasswordCheck> {
    const owner = { userId, address };
    // Without this limit, the devices of one account could fill the share of all known devices.
    const { authRateLimit, authRateWindow: windowSeconds } = this.config;
    await this.limiter.enforce(
      'device_user',
      userId,
      { limit: authRateLimit * DEVICES, windowSeconds },
      owner,
    );
    const checked = await this.limited(
      bucket,
      id,
      () => this.checkPassword(username, password, 'known', user),
      isRight,
      owner,
    );
    if (isRight(checked)) {
      await this.failures.reset(account);
      const id = productAccountOf(await user);
      if (id !== undefined) await this.failures.reset(id);
    }
    return checked;
  }

  /**
   * Counts the check before it starts and refunds it after a right password, so that parallel guesses find no gap. Also refunds a check
   * that failed, because overload must not lock an account.
   */
  private async limited<T>(
    bucket: SubjectBucket,
    subject: string,
    check: () => Promise<T>,
    succeeded: (checked: T) => boolean,
    owner: CounterOwner,
  ): Promise<T> {
    await this.limiter.enforce(bucket, subject, undefined, owner);
    let counts = false;
    try {
      const checked = await check();
      counts = !succeeded(checked);
      return checked;
    } finally {
      if (!counts) this.limiter.refund(bucket, subject);
    }
  }

  private async refuse(
    cause: string,
    started: number,
    origin: Origin,
    refusal = this.refusal(),
  ): Promise<never> {
    this.refusals.count(cause, origin.ip);
    await this.hasher.padFailure(started);
    throw refusal;
  }
}

function productAccountOf(user: User | undefined): string | undefined {
  return user?.passwordIsManaged === true ? productAccount(user.externalId!) : undefined;
}

function isRight({ outcome }: PasswordCheck): boolean {
  return outcome === 'ok';
}
