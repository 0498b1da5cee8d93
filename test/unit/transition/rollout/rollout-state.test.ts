import { describe, expect, it } from 'vitest';
import {
  NOTICE,
  PHASES,
  brownoutAt,
  firstSettings,
  phaseAt,
} from '../../../../src/transition/rollout/rollout-state.js';
import { DAY, HOUR, NOW, aSettings } from './settings.js';

describe('the phase that applies', () => {
  it.each(PHASES)('is %s without a sunset and before it', (phase) => {
    expect(phaseAt(aSettings({ phase }), NOW)).toBe(phase);
    expect(phaseAt(aSettings({ phase, sunsetAt: NOW + 1 }), NOW)).toBe(phase);
  });

  it.each(PHASES)('is sessions_removed from the sunset on, for the phase %s', (phase) => {
    expect(phaseAt(aSettings({ phase, sunsetAt: NOW }), NOW)).toBe('sessions_removed');
    expect(phaseAt(aSettings({ phase, sunsetAt: NOW - 10 * DAY }), NOW)).toBe('sessions_removed');
  });
});

describe('a brownout', () => {
  const one = { from: NOW, to: NOW + HOUR };
  const settings = aSettings({ phase: 'deprecation_notice', sunsetAt: NOW + DAY, brownouts: [one] });

  it('includes its beginning and excludes its end', () => {
    expect(brownoutAt(settings, NOW - 1)).toBeUndefined();
    expect(brownoutAt(settings, NOW)).toEqual(one);
    expect(brownoutAt(settings, one.to - 1)).toEqual(one);
    expect(brownoutAt(settings, one.to)).toBeUndefined();
  });

  it('never applies in another phase or after the sunset', () => {
    for (const phase of PHASES.filter((name) => name !== 'deprecation_notice')) {
      expect(brownoutAt({ ...settings, phase }, NOW)).toBeUndefined();
    }
    expect(brownoutAt({ ...settings, sunsetAt: NOW }, NOW)).toBeUndefined();
  });
});

describe('a new database', () => {
  it('begins as configured, with a sunset in deprecation_notice', () => {
    expect(firstSettings({ rolloutPhase: 'gradual_rollout', rolloutPercentage: 25 }, NOW)).toEqual(
      aSettings({ percentage: 25 }),
    );
    expect(firstSettings({ rolloutPhase: 'deprecation_notice', rolloutPercentage: 100 }, NOW).sunsetAt).toBe(
      NOW + NOTICE,
    );
  });
});
