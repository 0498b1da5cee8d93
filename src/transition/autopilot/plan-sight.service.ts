import { Injectable } from '@nestjs/common';
import type { Sight } from './comparison.js';
import type { Plan } from './plan.js';
import { RolloutFigures } from './rollout-figures.js';

/** The shorter of the windows looked at, in milliseconds: what goes wrong late in a long step must not drown in what went well. */
const RECENT = 600_000;

/** Reads the figures that a plan is judged by. */
@Injectable()
export class PlanSight {
  constructor(private readonly figures: RolloutFigures) {}

  /** Undefined before the first step has been taken. */
  async of({ state, since }: Pick<Plan, 'state' | 'since'>, now: number): Promise<Sight | undefined> {
    if (state !== 'running' || since === null) return undefined;
    const whole = await this.figures.between({ since, until: now });
    const late = now - RECENT;
    return { whole, recent: late > since ? await this.figures.between({ since: late, until: now }) : whole };
  }
}
