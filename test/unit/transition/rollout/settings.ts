import type { RolloutSettings } from '../../../../src/transition/rollout/rollout-state.js';

export const NOW = Date.parse('2027-01-10T12:00:00Z');
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export function aSettings(change: Partial<RolloutSettings> = {}): RolloutSettings {
  return {
    phase: 'gradual_rollout',
    percentage: 10,
    roles: [],
    userIds: [],
    drain: false,
    sunsetAt: null,
    brownouts: [],
    ...change,
  };
}
