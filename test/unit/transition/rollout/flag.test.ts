import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { StateFlagProvider, TOKENS_FLAG } from '../../../../src/transition/rollout/state-flag.provider.js';
import type { RolloutSettings } from '../../../../src/transition/rollout/rollout-state.js';
import { aSettings } from './settings.js';

/** What the flag says, asked without OpenFeature in between, which would make a promise of each of a million answers. */
function flagOf(settings: Partial<RolloutSettings>): (id: string, role?: string) => boolean {
  const provider = new StateFlagProvider();
  provider.use(aSettings(settings));
  const { core } = provider as unknown as {
    core: { resolveBooleanEvaluation(key: string, fallback: boolean, context: object): { value: boolean } };
  };
  return (id, role = 'user') =>
    core.resolveBooleanEvaluation(TOKENS_FLAG, false, { targetingKey: id, role }).value;
}

const PERCENTAGES = Array.from({ length: 101 }, (_, percentage) => percentage);
const flags = PERCENTAGES.map((percentage) => flagOf({ percentage }));
const ids = Array.from({ length: 100_000 }, () => randomUUID());

describe('the share of users', () => {
  it('only grows with the percentage: every percentage', () => {
    for (const id of ids.slice(0, 2_000)) {
      const sides = flags.map((isOn) => isOn(id));
      const first = sides.indexOf(true);
      expect(first).toBeGreaterThan(0);
      expect(sides.lastIndexOf(false)).toBe(first - 1);
    }
  });

  it('only grows with the percentage: 100,000 users at two percentages each', () => {
    for (const [index, id] of ids.entries()) {
      const lower = index % 100;
      const higher = lower + 1 + (Math.trunc(index / 100) % (100 - lower));
      if (flags[lower]!(id) && !flags[higher]!(id)) throw new Error(`${id} at ${lower} and ${higher}`);
    }
  });

  it.each([1, 10, 50, 90, 99])('is %i per cent within the error of the sample', (percentage) => {
    const on = ids.filter((id) => flags[percentage]!(id)).length;
    const deviation = Math.sqrt((ids.length * percentage * (100 - percentage)) / 10_000);
    expect(Math.abs(on - (ids.length * percentage) / 100)).toBeLessThan(5 * deviation);
  });

  it('is nobody at 0 and everybody at 100', () => {
    expect(ids.some((id) => flags[0]!(id))).toBe(false);
    expect(ids.every((id) => flags[100]!(id))).toBe(true);
  });

  it('is the same in another provider, as on another node or after a restart', () => {
    const other = flagOf({ percentage: 37, drain: true, roles: ['admin'] });
    for (const id of ids.slice(0, 5_000)) expect(other(id)).toBe(flags[37]!(id));
  });

  it('never changes: a few users by name', () => {
    // The lowest percentage at which each is in: by MurmurHash3 of `tokens` and the id, worked out apart from this library.
    const known: [string, number][] = [
      ['00000000-0000-4000-8000-000000000001', 35],
      ['5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10', 95],
      ['ffffffff-ffff-4fff-bfff-ffffffffffff', 56],
    ];
    for (const [id, bucket] of known) expect([id, flags.findIndex((isOn) => isOn(id))]).toEqual([id, bucket]);
  });
});

describe('users chosen by role or id', () => {
  const [chosen, other] = ids as [string, string];

  it('are not eligible while the rollout is off', () => {
    const isOn = flagOf({ phase: 'off', percentage: 100, roles: ['user', 'admin'], userIds: [chosen] });
    expect([isOn(chosen), isOn(other, 'admin')]).toEqual([false, false]);
  });

  it('are the only eligible users in the internal beta', () => {
    const isOn = flagOf({ phase: 'internal_beta', percentage: 100, roles: ['admin'], userIds: [chosen] });
    expect([isOn(chosen), isOn(other), isOn(other, 'admin')]).toEqual([true, false, true]);
  });

  it('are eligible beside the share in the gradual rollout', () => {
    const isOn = flagOf({ percentage: 0, roles: ['admin'], userIds: [chosen] });
    expect([isOn(chosen), isOn(other), isOn(other, 'admin')]).toEqual([true, false, true]);
    const share = flagOf({ percentage: 100, userIds: [chosen] });
    expect([share(chosen), share(other)]).toEqual([true, true]);
  });

  it.each(['deprecation_notice', 'sessions_removed'] as const)('are everybody in %s', (phase) => {
    expect(flagOf({ phase, percentage: 0 })(other)).toBe(true);
  });

  it('may be as many as the state allows', () => {
    const isOn = flagOf({ phase: 'internal_beta', userIds: ids.slice(0, 1_000) });
    expect([isOn(ids[999]!), isOn(ids[1_000]!)]).toEqual([true, false]);
  });
});
