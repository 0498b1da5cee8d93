import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { countedClient, networksOf } from './client-address.js';
import type { AddressedRequest } from './client-address.js';
import type { LimitOutcome, Quota } from './quota.js';
import { RateLimitService, tooMany } from './limits.service.js';
import type { AddressBucket } from './bucket.js';

/**
 * Rate limits of clients by address. A call of an IPv6 client counts for its /64, its /56 and its /48, and is refused if one of them
 * has no room. IPv4 clients count by address.
 */
@Injectable()
export class ClientRateLimitService {
  private readonly quota: Quota;

  constructor(
    private readonly limiter: RateLimitService,
    @Inject(CONFIG) config: Config,
  ) {
    this.quota = { limit: config.authRateLimit, windowSeconds: config.authRateWindow };
  }

  /** Counts one call of the client, or throws the 429 `rate_limited`. */
  async enforce(bucket: AddressBucket, request: AddressedRequest): Promise<void> {
    const outcome = await this.hit(bucket, countedClient(request));
    if (!outcome.allowed) throw tooMany(bucket, outcome);
  }

  /**
   * Counts one call for each network of `client`, which is an argument of {@link networksOf}. A refused call counts for none of them.
   * The outcome states the client's own quota, and the room of the network that has the least.
   */
  async hit(bucket: AddressBucket, client: string, quota: Quota = this.quota): Promise<LimitOutcome> {
    const networks = networksOf(client);
    // Ask a network that is known to be full first: it costs no statement, and the narrower networks no call.
    const known = networks.find(({ subject }) => this.limiter.isBlocked(bucket, subject));
    const order = known === undefined ? networks : [known, ...networks.filter((other) => other !== known)];
    let least: LimitOutcome | undefined;
    const counted: string[] = [];
    // Then the narrowest first: a flood from one /64 must not use up the room of the networks around it.
    for (const { subject, times } of order) {
      const outcome = await this.limiter.hit(bucket, subject, { ...quota, limit: quota.limit * times });
      if (!outcome.allowed) {
        for (const narrower of counted) this.limiter.refund(bucket, narrower);
        return { ...outcome, ...quota };
      }
      counted.push(subject);
      if (least === undefined || outcome.remaining < least.remaining) least = outcome;
    }
    return { ...least!, ...quota };
  }
}
