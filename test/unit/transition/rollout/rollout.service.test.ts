import { describe, expect, it, vi } from 'vitest';
import type { TransitionConfig } from '../../../../src/transition/transition.settings.js';
import type { ChangeFeed } from '../../../../src/tokens/feed/change-feed.js';
import type { DatabaseClock } from '../../../../src/tokens/feed/database-clock.js';
import type { RolloutFlagService } from '../../../../src/transition/rollout/rollout-flag.service.js';
import type { RolloutSettings } from '../../../../src/transition/rollout/rollout-state.js';
import { RolloutService } from '../../../../src/transition/rollout/rollout.service.js';
import type { RolloutStore } from '../../../../src/transition/rollout/rollout.store.js';
import { AdminRole } from '../../../../src/users/admin-role.js';
import { DAY, HOUR, NOW, aSettings } from './settings.js';

const user = { id: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10', role: 'user' } as const;

async function aRollout(settings: Partial<RolloutSettings>, isOn?: boolean) {
  const flag = { use: vi.fn(), isOn: vi.fn(() => Promise.resolve(isOn)) };
  const feed = { subscribe: vi.fn(), hint: vi.fn() };
  const clock = { now: vi.fn(() => NOW) };
  const state = { ...aSettings(settings), version: 7 };
  const store = { begin: () => Promise.resolve(state), current: vi.fn() };
  const rollout = new RolloutService(
    store as unknown as RolloutStore,
    flag as unknown as RolloutFlagService,
    feed as unknown as ChangeFeed,
    clock as unknown as DatabaseClock,
    new AdminRole('admin'),
    {} as TransitionConfig,
  );
  await rollout.onModuleInit();
  const reload = feed.subscribe.mock.calls[0]![1] as () => Promise<void>;
  return { rollout, flag, feed, clock, store, state, reload };
}

describe('who may have tokens', () => {
  it.each([
    ['off', true, false],
    ['internal_beta', true, true],
    ['internal_beta', false, false],
    ['gradual_rollout', true, true],
    ['gradual_rollout', false, false],
    ['deprecation_notice', false, true],
    ['sessions_removed', false, true],
  ] as const)('in %s with the flag at %s: %s', async (phase, isOn, may) => {
    const { rollout, flag } = await aRollout({ phase }, isOn);
    expect(await rollout.isEligible(user)).toBe(may);
    expect(await rollout.isEligible(user)).toBe(may);
    const asked = phase === 'internal_beta' || phase === 'gradual_rollout';
    expect(flag.isOn).toHaveBeenCalledTimes(asked ? 2 : 0);
    if (asked) expect(flag.isOn).toHaveBeenCalledWith(user, phase);
  });

  it('is everybody once the sunset has passed, even in the phase off', async () => {
    const { rollout, clock } = await aRollout({ phase: 'off', sunsetAt: NOW + HOUR }, false);
    expect(await rollout.isEligible(user)).toBe(false);
    clock.now.mockReturnValue(NOW + HOUR);
    expect(rollout.phase()).toBe('sessions_removed');
    expect(await rollout.isEligible(user)).toBe(true);
  });
});

describe('refreshes', () => {
  it('are accepted without drain, for any eligibility', async () => {
    for (const phase of ['off', 'internal_beta', 'gradual_rollout'] as const) {
      const { rollout } = await aRollout({ phase, percentage: 0 }, false);
      expect(await rollout.mayContinue(user)).toBe(true);
    }
  });

  it('are refused with drain for users who are not eligible', async () => {
    const off = await aRollout({ phase: 'off', drain: true }, true);
    expect(await off.rollout.mayContinue(user)).toBe(false);
    const outside = await aRollout({ drain: true }, false);
    expect(await outside.rollout.mayContinue(user)).toBe(false);
    const inside = await aRollout({ drain: true }, true);
    expect(await inside.rollout.mayContinue(user)).toBe(true);
    const everybody = await aRollout({ phase: 'deprecation_notice', drain: true }, false);
    expect(await everybody.rollout.mayContinue(user)).toBe(true);
  });
});

describe('a provider without an answer', () => {
  it('refuses new families and keeps existing ones', async () => {
    const { rollout } = await aRollout({ drain: true }, undefined);
    expect(await rollout.isEligible(user)).toBe(false);
    expect(await rollout.mayContinue(user)).toBe(true);
  });
});

describe('the state on a node', () => {
  it('has a brownout only while it lasts', async () => {
    const brownouts = [{ from: NOW + HOUR, to: NOW + 2 * HOUR }];
    const { rollout, clock } = await aRollout({
      phase: 'deprecation_notice',
      sunsetAt: NOW + DAY,
      brownouts,
    });
    expect(rollout.brownout()).toBeUndefined();
    clock.now.mockReturnValue(NOW + HOUR);
    expect(rollout.brownout()).toEqual(brownouts[0]);
  });

  it('never returns to a state that was read before a change', async () => {
    const { rollout, flag, store, state, reload, feed } = await aRollout({});
    let answer: (current: object) => void = () => undefined;
    store.current.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
    const reading = reload();
    await vi.waitFor(() => expect(store.current).toHaveBeenCalled(), 15_000);
    rollout.adopt({ ...state, percentage: 50, version: 8 });
    expect(feed.hint).toHaveBeenCalled();
    answer(state);
    await reading;
    expect(rollout.current()).toMatchObject({ percentage: 50, version: 8 });
    expect(flag.use).toHaveBeenLastCalledWith(rollout.current());
    store.current.mockResolvedValueOnce({ ...state, percentage: 60, version: 9 });
    await reload();
    expect(rollout.current()).toMatchObject({ percentage: 60, version: 9 });
  });

  it('stays when the database does not answer, and the failure is reported', async () => {
    const { rollout, store, state, reload } = await aRollout({});
    store.current.mockRejectedValueOnce(new Error('gone'));
    await expect(reload()).rejects.toThrow('gone');
    expect(rollout.current()).toBe(state);
    store.current.mockResolvedValueOnce({ ...state, version: 8 });
    await reload();
    expect(rollout.current().version).toBe(8);
  });
});
