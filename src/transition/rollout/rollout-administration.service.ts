import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { refuseFreshPassword } from '../../auth/account/fresh-password.service.js';
import { refuse } from '../../common/common.errors.js';
import type { FieldError } from '../../common/http/problem.js';
import { AdminRole } from '../../users/admin-role.js';
import { patched } from './rollout-patch.js';
import type { RolloutPatch } from './rollout-patch.js';
import { endsSessionsSoon, inForce, phaseAt, widensEligibility } from './rollout-state.js';
import type { RolloutSettings, RolloutState } from './rollout-state.js';
import { isSame } from './rollout-view.js';
import { RolloutHistoryStore } from './rollout-history.store.js';
import { refuseRollout, refuseStale } from './rollout.errors.js';
import { RolloutService } from './rollout.service.js';
import { RolloutStore } from './rollout.store.js';
import type { Current } from './rollout.store.js';

/** Who makes a change. */
export interface Administrator {
  /** The administrator; undefined on the command line. */
  readonly actorId: string | undefined;
  readonly origin: Origin;
}

/** Who makes a change of the rollout. */
export interface RolloutAdministrator extends Administrator {
  /** Whether the password is fresh, so that the change may end sessions within a day. True on the command line. */
  readonly provedPassword: boolean;
}

type Outcome =
  /** `now`: the time of the change, on the database's clock. */
  | { readonly state: RolloutState; readonly now: number }
  | { readonly stale: number }
  | { readonly errors: readonly FieldError[] }
  | 'fresh_password_required'
  | 'nothing_to_roll_back'
  | 'rollback_ends_sessions';

/** Changes the rollout for administrators. A change applies on this node when the method returns, and on every node within a second. */
@Injectable()
export class RolloutAdministrationService {
  constructor(
    private readonly store: RolloutStore,
    private readonly rollout: RolloutService,
    private readonly versions: RolloutHistoryStore,
    private readonly adminRole: AdminRole,
  ) {}

  /** The state in the database. Its phase is the one that applies: `sessions_removed` after the sunset. */
  async read(): Promise<RolloutState> {
    const current = (await this.store.current())!;
    return inForce(current, current.now);
  }

  /**
   * Changes the given fields. Throws 409 if `version` is given and is not the last one. Throws 400 for an impossible change, and for a
   * change of phase that makes users eligible without a percentage. Throws 403 `fresh_password_required` for a sunset within a day.
   * Then nothing changes.
   */
  async change(
    patch: RolloutPatch,
    version: number | undefined,
    by: RolloutAdministrator,
  ): Promise<RolloutState> {
    const outcome = await this.store.withLock<Outcome>(async (sql, current) => {
      if (isStale(current, version)) return { stale: current.version };
      const result = patched(current, patch, current.now);
      if ('errors' in result) return result;
      if (changesPhase(current, patch) && patch.percentage === undefined) {
        if (widensEligibility(current, result.next, current.now, this.adminRole.name))
          return { errors: [PERCENTAGE_MISSING] };
      }
      const { now } = current;
      if (!by.provedPassword && endsSessionsSoon(current, result.next, now)) return 'fresh_password_required';
      if (Object.values(patch).every((value) => value === undefined)) return { state: current, now };
      // A rollback to an identical state would do nothing.
      const parent = isSame(current, result.next) ? current.parent : current.version;
      const change = { cause: 'changed', actorId: by.actorId } as const;
      return { state: await this.store.add(sql, current, result.next, parent, change, by.origin), now };
    });
    return await this.settle(outcome);
  }

  /**
   * Returns to the state before the last change. A second call returns to the state before that. Throws 409 if there is none,
   * and if the rollback would end sessions that work now: set the phase explicitly for that. Throws 403 `fresh_password_required` if the
   * earlier state has a sunset within a day.
   */
  async rollBack(
    drain: boolean | undefined,
    version: number | undefined,
    by: RolloutAdministrator,
  ): Promise<RolloutState> {
    const outcome = await this.store.withLock<Outcome>(async (sql, current) => {
      if (isStale(current, version)) return { stale: current.version };
      if (current.parent === null) return 'nothing_to_roll_back';
      const before = (await this.store.find(sql, current.parent))!;
      const next: RolloutSettings = { ...before, drain: drain ?? before.drain };
      const ends = phaseAt(next, current.now) === 'sessions_removed';
      if (ends && phaseAt(current, current.now) !== 'sessions_removed') return 'rollback_ends_sessions';
      if (!by.provedPassword && endsSessionsSoon(current, next, current.now))
        return 'fresh_password_required';
      const change = { cause: 'rolled_back', actorId: by.actorId } as const;
      const state = await this.store.add(sql, current, next, before.parent, change, by.origin);
      return { state, now: current.now };
    });
    return await this.settle(outcome);
  }

  /** Who changed the rollout, how and when; newest first. Throws 400 for an invalid cursor. */
  history(limit: number, cursor: string | undefined) {
    return this.versions.list(limit, cursor);
  }

  private async settle(outcome: Outcome): Promise<RolloutState> {
    if (outcome === 'fresh_password_required') throw refuseFreshPassword();
    if (typeof outcome === 'string') throw refuseRollout(outcome, { detail: REMEDIES[outcome] });
    if ('errors' in outcome) throw refuse('validation_failed', { errors: outcome.errors });
    if ('stale' in outcome) {
      throw refuseStale((await this.versions.list(1, undefined)).events[0]!);
    }
    this.rollout.adopt(outcome.state);
    return inForce(outcome.state, outcome.now);
  }
}

/** What to do instead of a refused rollback. */
const REMEDIES = {
  nothing_to_roll_back:
    'There is no earlier state: every change is undone. To stop the rollout, set the phase: npm run admin -- rollout set --phase off',
  rollback_ends_sessions:
    'The earlier state would end the sessions. To end them, set the phase: npm run admin -- rollout set --phase sessions_removed',
} as const;

const PERCENTAGE_MISSING: FieldError = {
  field: 'percentage',
  message: 'percentage must be given: this phase makes users eligible for tokens who are not eligible now',
};

function changesPhase(current: Current, { phase }: RolloutPatch): boolean {
  return phase !== undefined && phase !== current.phase;
}

function isStale({ version }: Current, expected: number | undefined): boolean {
  return expected !== undefined && expected !== version;
}
