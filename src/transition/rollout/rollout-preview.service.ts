import { setImmediate } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { refuse } from '../../common/common.errors.js';
import { AdminRole } from '../../users/admin-role.js';
import { RolloutFlagService } from './rollout-flag.service.js';
import { patched } from './rollout-patch.js';
import type { RolloutPatch } from './rollout-patch.js';
import { isAnnounced, phaseAt } from './rollout-state.js';
import type { RolloutSettings } from './rollout-state.js';
import { RolloutStore } from './rollout.store.js';
import { RolloutUserStore } from './rollout-user.store.js';
import type { RolloutUser } from './rollout-user.store.js';
import { StateFlagProvider } from './state-flag.provider.js';

/** Users that one statement reads. */
const PAGE = 2_000;

/** Users whose eligibility is computed before other requests get a turn: about two milliseconds. */
const TURN = 100;

/** Users that are examined. The figures of more users are extrapolated: the share of users does not depend on the order of ids. */
const MOST = 250_000;

/** The effect that a change of the rollout would have on users who are not disabled. */
export interface RolloutPreview {
  readonly next: RolloutSettings;
  readonly users: number;
  readonly eligibleBefore: number;
  readonly eligibleAfter: number;
  /** Users who become eligible for tokens. */
  readonly gain: number;
  readonly lose: number;
  /** Users with a live token family. */
  readonly onTokens: number;
  /** Users with a live token family who are not eligible afterwards. */
  readonly onTokensNotEligible: number;
  /** False if the figures are extrapolated. */
  readonly exact: boolean;
}

/** Says what a change of the rollout would do. */
@Injectable()
export class RolloutPreviewService {
  constructor(
    private readonly store: RolloutStore,
    private readonly users: RolloutUserStore,
    private readonly flag: RolloutFlagService,
    private readonly adminRole: AdminRole,
  ) {}

  /**
   * Changes nothing. Throws 400 for an impossible change, and if a flag provider of the team decides who is eligible. It examines each
   * user, which takes some seconds for hundreds of thousands.
   */
  async preview(patch: RolloutPatch): Promise<RolloutPreview> {
    if (!this.flag.isOurs) throw invalid('body', 'another flag provider decides who is eligible for tokens');
    const current = (await this.store.current())!;
    const result = patched(current, patch, current.now);
    if ('errors' in result) throw refuse('validation_failed', { errors: result.errors });
    const { next } = result;
    const isEligibleBefore = this.judge(current, current.now);
    const isEligibleAfter = this.judge(next, current.now);
    const counts = {
      users: 0,
      eligibleBefore: 0,
      eligibleAfter: 0,
      gain: 0,
      lose: 0,
      onTokens: 0,
      onTokensNotEligible: 0,
    };
    let last: string | undefined;
    let page: RolloutUser[];
    do {
      page = await this.users.after(last, PAGE);
      for (const [index, user] of page.entries()) {
        if (index % TURN === TURN - 1) await setImmediate();
        const [before, after] = [isEligibleBefore(user), isEligibleAfter(user)];
        counts.users += 1;
        counts.eligibleBefore += Number(before);
        counts.eligibleAfter += Number(after);
        counts.gain += Number(after && !before);
        counts.lose += Number(before && !after);
        counts.onTokens += Number(user.onTokens);
        counts.onTokensNotEligible += Number(user.onTokens && !after);
      }
      last = page.at(-1)?.id;
    } while (page.length === PAGE && counts.users < MOST);
    if (page.length < PAGE) return { next, ...counts, exact: true };
    const factor = (await this.users.count()) / counts.users;
    const scaled = Object.entries(counts).map(([name, n]) => [name, Math.round(n * factor)]);
    return { next, ...(Object.fromEntries(scaled) as typeof counts), exact: false };
  }

  /** The rule of `RolloutService`, for any settings. */
  private judge(settings: RolloutSettings, now: number): (user: RolloutUser) => boolean {
    const phase = phaseAt(settings, now);
    const provider = new StateFlagProvider();
    provider.use(settings);
    return (user) => {
      if (this.adminRole.isHeldBy(user) || isAnnounced(phase)) return true;
      return phase !== 'off' && provider.isOn(user, phase);
    };
  }
}

function invalid(field: string, message: string) {
  return refuse('validation_failed', { errors: [{ field, message }] });
}
