import { describe, expect, it } from 'vitest';
import { patched } from '../../../../src/transition/rollout/rollout-patch.js';
import type { RolloutPatch } from '../../../../src/transition/rollout/rollout-patch.js';
import { NOTICE } from '../../../../src/transition/rollout/rollout-state.js';
import type { Brownout, RolloutSettings } from '../../../../src/transition/rollout/rollout-state.js';
import { DAY, HOUR, NOW, aSettings } from './settings.js';

function after(current: RolloutSettings, patch: RolloutPatch): RolloutSettings {
  const result = patched(current, patch, NOW);
  if ('errors' in result) throw new Error(JSON.stringify(result.errors));
  return result.next;
}

function faults(current: RolloutSettings, patch: RolloutPatch): string[] {
  const result = patched(current, patch, NOW);
  return 'errors' in result ? result.errors.map(({ field, message }) => `${field}: ${message}`) : [];
}

const announced = aSettings({ phase: 'deprecation_notice', sunsetAt: NOW + 30 * DAY });

describe('a change', () => {
  it('keeps the fields that it does not name', () => {
    const before = aSettings({ roles: ['admin'], userIds: ['u'], drain: true });
    expect(after(before, { percentage: 50 })).toEqual({ ...before, percentage: 50 });
    expect(after(before, {})).toEqual(before);
    expect(after(before, { roles: [], userIds: [], drain: false, percentage: 0 })).toEqual(
      aSettings({ percentage: 0 }),
    );
  });
});

describe('the sunset', () => {
  it('is 90 days ahead of the notice unless it is given', () => {
    expect(after(aSettings(), { phase: 'deprecation_notice' }).sunsetAt).toBe(NOW + NOTICE);
    const given = { phase: 'deprecation_notice', sunsetAt: NOW + DAY } as const;
    expect(after(aSettings(), given).sunsetAt).toBe(NOW + DAY);
    const before = aSettings({ sunsetAt: NOW + 7 * DAY });
    expect(after(before, { phase: 'deprecation_notice' }).sunsetAt).toBe(NOW + 7 * DAY);
  });

  it('may be in the past in every phase, which removes sessions now', () => {
    expect(after(aSettings(), { sunsetAt: NOW - DAY }).sunsetAt).toBe(NOW - DAY);
    const given = { phase: 'deprecation_notice', sunsetAt: NOW - DAY } as const;
    expect(after(aSettings(), given).sunsetAt).toBe(NOW - DAY);
  });

  it('cannot be removed during the notice', () => {
    expect(after(announced, { sunsetAt: null }).sunsetAt).toBe(NOW + NOTICE);
    expect(after(aSettings({ sunsetAt: NOW + DAY }), { sunsetAt: null }).sunsetAt).toBeNull();
  });

  it('from an earlier notice does not end sessions when a new notice begins', () => {
    const removed = aSettings({ phase: 'sessions_removed', sunsetAt: NOW - DAY });
    expect(after(removed, { phase: 'deprecation_notice' }).sunsetAt).toBe(NOW + NOTICE);
  });

  it('stays when another field changes during the notice, even after it has passed', () => {
    expect(after(announced, { percentage: 5 }).sunsetAt).toBe(announced.sunsetAt);
    const over = { ...announced, sunsetAt: NOW - DAY };
    expect(after(over, { percentage: 5, phase: 'deprecation_notice' }).sunsetAt).toBe(NOW - DAY);
  });

  it('is removed with its brownouts when the notice is withdrawn, unless it is given', () => {
    const brownouts = [{ from: NOW + DAY, to: NOW + DAY + HOUR }];
    const taken = after({ ...announced, brownouts }, { phase: 'gradual_rollout' });
    expect(taken).toEqual(aSettings());
    const kept = after(announced, { phase: 'gradual_rollout', sunsetAt: NOW + 2 * DAY });
    expect(kept.sunsetAt).toBe(NOW + 2 * DAY);
    expect(after(announced, { phase: 'sessions_removed' }).sunsetAt).toBe(announced.sunsetAt);
  });
});

describe('brownouts', () => {
  const at = (from: number, to: number): Brownout => ({ from: NOW + from, to: NOW + to });

  it('are kept in order', () => {
    const brownouts = [at(2 * DAY, 2 * DAY + HOUR), at(-HOUR, HOUR), at(HOUR, 2 * HOUR)];
    expect(after(announced, { brownouts }).brownouts).toEqual([brownouts[1], brownouts[2], brownouts[0]]);
  });

  it.each([
    ['end before they begin', [at(HOUR, 0)], 'brownouts.0.to: to must be after from'],
    ['last no time', [at(HOUR, HOUR)], 'brownouts.0.to: to must be after from'],
    ['are over', [at(-2 * HOUR, 0)], 'brownouts.0.to: to must not be over'],
    ['last beyond the sunset', [at(DAY, 31 * DAY)], 'brownouts.0.to: to must not be after sunset_at'],
    [
      'overlap',
      [at(HOUR, 3 * HOUR), at(2 * HOUR, 4 * HOUR)],
      'brownouts.1.from: from must not be within another brownout',
    ],
    [
      'are in one another',
      [at(2 * HOUR, 3 * HOUR), at(HOUR, 4 * HOUR)],
      'brownouts.1.from: from must not be within another brownout',
    ],
    [
      'are there twice',
      [at(HOUR, 2 * HOUR), at(HOUR, 2 * HOUR)],
      'brownouts.1.from: from must not be within another brownout',
    ],
  ])('are refused if they %s', (_, brownouts, fault) => {
    expect(faults(announced, { brownouts })).toEqual([fault]);
  });

  it('are checked against the sunset of the same change', () => {
    const brownouts = [at(DAY, 2 * DAY)];
    expect(faults(announced, { brownouts, sunsetAt: NOW + HOUR })).toHaveLength(1);
    expect(faults(announced, { brownouts: [at(40 * DAY, 41 * DAY)], sunsetAt: NOW + 60 * DAY })).toEqual([]);
    expect(faults(aSettings(), { brownouts, phase: 'deprecation_notice' })).toEqual([]);
  });

  it('are at most a hundred', () => {
    const many = Array.from({ length: 101 }, (_, n) => at((n + 1) * HOUR, (n + 1.5) * HOUR));
    expect(faults(announced, { brownouts: many })).toEqual(['brownouts: brownouts must be at most 100']);
    expect(faults(announced, { brownouts: many.slice(1) })).toEqual([]);
  });

  it('may be sent back as they are stored after they are over', () => {
    const brownouts = [at(-2 * HOUR, -HOUR)];
    expect(faults({ ...announced, brownouts }, { brownouts, percentage: 1 })).toEqual([]);
    expect(faults({ ...announced, brownouts }, { brownouts: [at(-3 * HOUR, -HOUR)] })).toHaveLength(1);
  });

  it('are removed when a new sunset comes before them', () => {
    const brownouts = [at(HOUR, 2 * HOUR), at(DAY, 2 * DAY)];
    const before = { ...announced, brownouts };
    expect(after(before, { sunsetAt: NOW + DAY }).brownouts).toEqual([brownouts[0]]);
    expect(after(before, { sunsetAt: NOW - DAY }).brownouts).toEqual([]);
    expect(after(before, { brownouts: [] }).brownouts).toEqual([]);
  });
});
