import type { Evidence } from '../../../../src/transition/autopilot/comparison.js';
import type { Plan } from '../../../../src/transition/autopilot/plan.js';
import type { FiguresByScheme, SchemeFigures } from '../../../../src/transition/autopilot/comparison.js';

/** Numbers from 0 to 1 that are the same in each run (a 32-bit mixing generator). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function someFigures(change: Partial<SchemeFigures> = {}): SchemeFigures {
  return { requests: 10_000, errors: 10, users: 500, logouts: 0, ...change };
}

/** The same in both windows. */
export function evidenceOf(bearer: Partial<SchemeFigures>, session: Partial<SchemeFigures> = {}): Evidence {
  const figures: FiguresByScheme = { bearer: someFigures(bearer), session: someFigures(session) };
  return { whole: figures, recent: figures };
}

export function aPlan(change: Partial<Plan> = {}): Plan {
  return {
    enabled: true,
    steps: [
      { percentage: 10, soak_seconds: 600 },
      { percentage: 50, soak_seconds: 600 },
      { percentage: 100, soak_seconds: 600 },
    ],
    minRequests: 1_000,
    maxFalseAlarm: 0.01,
    tolerance: 0.001,
    drainOnRollback: false,
    revision: 1,
    state: 'running',
    why: 'the plan has begun',
    position: 0,
    base: { phase: 'gradual_rollout', percentage: 0 },
    since: 0,
    evaluations: 0,
    rolloutVersion: 7,
    ...change,
  };
}
