import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { productAccount } from '../../auth/login/credential-check.service.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { ServiceStateStore } from '../../database/service-state.store.js';
import { networksOf } from '../../limits/client-address.js';
import { LimitStateStore } from '../../limits/limit-state.store.js';
import { ADDRESS_BUCKETS, RateLimitService, limitKeyOf } from '../../limits/limits.service.js';
import type { Bucket } from '../../limits/limits.service.js';
import { failureKeyOf } from '../../limits/login-failure.service.js';
import { FREE_FAILURES } from '../../limits/login-failure.store.js';
import { usage } from '../../limits/quota.js';
import { ChangeFeed } from '../../tokens/feed/change-feed.js';
import type { User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';

/** The topic of the change feed: nodes forget whom they know to be blocked. */
const TOPIC = 'limits';

/** What a limit has counted for a subject. */
export interface LimitState {
  /** `login_failures`: consecutive failed logins of an account. */
  readonly bucket: Bucket | 'login_failures';
  /** An address, a network or a user name. */
  readonly subject: string;
  readonly used: number;
  readonly limit: number;
  /** When the next call is admitted; null if one is admitted now. */
  readonly blocked_until: Date | null;
}

interface Counter {
  readonly bucket: Bucket;
  readonly subject: string;
  /** The subject as administrators know it. */
  readonly shown: string;
  readonly times: number;
}

/** The counters of an address or of a user. */
interface Subject {
  readonly counters: readonly Counter[];
  readonly accounts: readonly string[];
  readonly detail: { readonly ip: string } | { readonly username: string };
  readonly userId?: string;
}

/**
 * Shows what the rate limits have counted for an address or a user, and releases them. Subjects are stored as digests, so there is no list of
 * all blocked ones.
 */
@Injectable()
export class LimitInspectionService {
  constructor(
    private readonly store: LimitStateStore,
    private readonly limiter: RateLimitService,
    private readonly database: Database,
    private readonly state: ServiceStateStore,
    private readonly audit: AuditStore,
    private readonly feed: ChangeFeed,
    private readonly users: UserService,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    feed.subscribe(TOPIC, () => Promise.resolve(limiter.forgetBlocks()));
  }

  /** The limits of the address and its networks that have counted a call. `ip`: in the spelling of `canonicalAddress`. */
  ofAddress(ip: string): Promise<LimitState[]> {
    return this.read(addressSubject(ip));
  }

  /** The limits of logins of the user from unknown devices. */
  ofUser(user: User): Promise<LimitState[]> {
    return this.read(this.subjectOf(user));
  }

  /** Calls of the address are admitted again, on this node at once and on the others within a second. Audited. */
  releaseAddress(ip: string, origin: Origin, actorId: string): Promise<void> {
    return this.release(addressSubject(ip), origin, actorId);
  }

  /** Logins of the user are admitted again. Audited. */
  releaseUser(user: User, origin: Origin, actorId: string): Promise<void> {
    return this.release(this.subjectOf(user), origin, actorId);
  }

  /** A user of the product counts by name and by external id. */
  private subjectOf(user: User): Subject {
    const { id: userId, username, usernameKey, externalId } = user;
    const isProducts = externalId !== null && this.users.isPasswordManaged(user);
    const accounts = isProducts ? [usernameKey, productAccount(externalId)] : [usernameKey];
    const counters = accounts.map((subject): Counter => ({
      bucket: 'account',
      subject,
      shown: username,
      times: 1,
    }));
    return { counters, accounts, detail: { username }, userId };
  }

  private async read({ counters, accounts, detail }: Subject): Promise<LimitState[]> {
    const keys = counters.map(({ bucket, subject }) => limitKeyOf(bucket, subject));
    const logs = await this.store.logs(keys);
    const states = counters.flatMap(({ bucket, shown, times }, index): LimitState[] => {
      const log = logs.get(keys[index]!);
      const quota = { limit: this.config.authRateLimit * times, windowSeconds: this.config.authRateWindow };
      if (log === undefined) return [];
      const { used, resetMs } = usage(log, quota);
      const until = used < quota.limit ? null : new Date(log.now / 1_000 + resetMs);
      return used === 0 ? [] : [{ bucket, subject: shown, used, limit: quota.limit, blocked_until: until }];
    });
    for (const account of accounts) {
      const stored = await this.store.failures(failureKeyOf(account));
      if (stored === undefined) continue;
      const { failures: used, retryAt, isWaiting } = stored;
      const blocked_until = isWaiting && used >= FREE_FAILURES ? retryAt : null;
      const subject = 'username' in detail ? detail.username : account;
      states.push({ bucket: 'login_failures', subject, used, limit: FREE_FAILURES, blocked_until });
    }
    return states;
  }

  private async release({ counters, accounts, detail, userId }: Subject, origin: Origin, actorId: string) {
    const keys = counters.map(({ bucket, subject }) => limitKeyOf(bucket, subject));
    await this.database.transaction(async (sql) => {
      await this.store.remove(sql, keys, accounts.map(failureKeyOf));
      await this.state.bump(sql, TOPIC);
      const entry = { event: 'service', cause: 'limits_released', userId, actorId, detail };
      await this.audit.add(entry, origin, sql);
    });
    this.limiter.forgetBlocks();
    this.feed.hint();
  }
}

function addressSubject(ip: string): Subject {
  const counters = ADDRESS_BUCKETS.flatMap((bucket) =>
    networksOf(ip).map(({ subject, times }) => ({ bucket, subject, shown: subject, times })),
  );
  return { counters, accounts: [], detail: { ip } };
}
