import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from '../../../../src/common/clock.js';
import type { DatabaseClock } from '../../../../src/tokens/feed/database-clock.js';
import { DeprecationService } from '../../../../src/transition/notices/deprecation.service.js';
import type { NoticeStore } from '../../../../src/transition/notices/notice.store.js';
import type { RolloutService } from '../../../../src/transition/rollout/rollout.service.js';

const NOW = Date.UTC(2030, 0, 1);
const ANNOUNCED = NOW - 86_400_000;

async function aService() {
  const state = { version: 1, sunsetAt: null };
  const clock = { monotonic: vi.fn(() => 0) };
  const store = { deprecatedSince: vi.fn(() => Promise.resolve<number | undefined>(undefined)) };
  const service = new DeprecationService(
    store as unknown as NoticeStore,
    { phase: () => 'deprecation_notice', current: () => state } as unknown as RolloutService,
    { now: () => NOW } as DatabaseClock,
    clock as unknown as Clock,
    'https://auth.example',
  );
  await service.onModuleInit();
  store.deprecatedSince.mockClear();
  return { service, state, clock, store };
}

/** Lets a reload that was started finish. */
const settle = () => new Promise(setImmediate);

describe('DeprecationService', () => {
  const warn = vi.spyOn(Logger.prototype, 'warn');
  beforeEach(() => void warn.mockReset());
  afterEach(() => void vi.clearAllMocks());

  it('reloads once after a rollout change, in the background', async () => {
    const { service, state, store } = await aService();
    store.deprecatedSince.mockResolvedValue(ANNOUNCED);
    state.version = 2;
    expect(service.current()?.since).toBe(NOW);
    service.current();
    expect(store.deprecatedSince).toHaveBeenCalledTimes(1);
    await settle();
    expect(service.current()?.since).toBe(ANNOUNCED);
    expect(store.deprecatedSince).toHaveBeenCalledTimes(1);
  });

  it('starts no reload within a second of a failed one', async () => {
    const { service, state, clock, store } = await aService();
    store.deprecatedSince.mockRejectedValue(new Error('no database'));
    state.version = 2;
    for (const time of [0, 1, 500, 999]) {
      clock.monotonic.mockReturnValue(time);
      service.current();
      await settle();
    }
    expect(store.deprecatedSince).toHaveBeenCalledTimes(1);
    expect(warn).toHaveBeenCalledTimes(1);

    store.deprecatedSince.mockResolvedValue(ANNOUNCED);
    clock.monotonic.mockReturnValue(1_000);
    service.current();
    await settle();
    expect(service.current()?.since).toBe(ANNOUNCED);
    expect(store.deprecatedSince).toHaveBeenCalledTimes(2);
  });
});
