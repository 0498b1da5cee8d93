import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import type { EligibilitySubject, TokenEligibility } from '../../auth/refresh/token-eligibility.service.js';
import { CONFIG } from '../../config/config.js';
import type { TransitionConfig } from '../transition.settings.js';
import { ChangeFeed } from '../../tokens/feed/change-feed.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import { AdminRole } from '../../users/admin-role.js';
import { RolloutFlagService } from './rollout-flag.service.js';
import { brownoutAt, firstSettings, phaseAt } from './rollout-state.js';
import type { Brownout, Phase, RolloutState } from './rollout-state.js';
import { ROLLOUT_TOPIC, RolloutStore } from './rollout.store.js';

/**
 * The phase of the migration from sessions to tokens, and which users are eligible. The state is in memory, so reading it needs no
 * I/O. A change on any node arrives within a second. While the database is unreachable, the last known state applies. Times are on the
 * database's clock.
 */
@Injectable()
export class RolloutService implements TokenEligibility, OnModuleInit {
  private state: RolloutState | undefined;
  private reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: RolloutStore,
    private readonly flag: RolloutFlagService,
    private readonly feed: ChangeFeed,
    private readonly clock: DatabaseClock,
    private readonly adminRole: AdminRole,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {
    feed.subscribe(ROLLOUT_TOPIC, () => this.reload());
  }

  async onModuleInit(): Promise<void> {
    this.apply(await this.store.begin((now) => firstSettings(this.config, now)));
  }

  current(): RolloutState {
    if (this.state === undefined) throw new Error('the rollout has not been read yet');
    return this.state;
  }

  /** The phase that applies now: `sessions_removed` once the sunset has passed. */
  phase(): Phase {
    return phaseAt(this.current(), this.clock.now());
  }

  /** The current brownout. */
  brownout(): Brownout | undefined {
    return brownoutAt(this.current(), this.clock.now());
  }

  /**
   * Whether the user may open a token family now. Every node gives the same answer for the same settings. While a flag provider has no
   * answer, no user gets a new family.
   */
  async isEligible(user: EligibilitySubject): Promise<boolean> {
    return (await this.eligible(user)) ?? false;
  }

  restrictsExistingFamilies(): boolean {
    return this.current().drain;
  }

  /** Whether the user's families may rotate. False only if the rollout setting `drain` is on and the user is known not to be eligible. */
  async mayContinue(user: EligibilitySubject): Promise<boolean> {
    if (!this.current().drain) return true;
    return (await this.eligible(user)) ?? true;
  }

  /** Applies a change of this node at once, and notifies the other nodes. */
  adopt(state: RolloutState): void {
    this.apply(state);
    this.feed.hint();
  }

  /** Whether the user is eligible; undefined if the provider of the flag has no answer. */
  private async eligible(user: EligibilitySubject): Promise<boolean | undefined> {
    // Administrators must be able to sign in to control the rollout, even with `drain`.
    if (this.adminRole.isHeldBy(user)) return true;
    const phase = this.phase();
    if (phase === 'off') return false;
    if (phase === 'deprecation_notice' || phase === 'sessions_removed') return true;
    return this.flag.isOn(user, phase);
  }

  private reload(): Promise<void> {
    const read = this.reading.then(async () => {
      const current = await this.store.current();
      if (current !== undefined) this.apply(current);
    });
    this.reading = read.catch(() => undefined);
    return read;
  }

  /** Ignores older versions: a read that began before a change may finish after it. */
  private apply(state: RolloutState): void {
    if (this.state !== undefined && state.version <= this.state.version) return;
    this.flag.use(state);
    this.state = state;
  }
}
