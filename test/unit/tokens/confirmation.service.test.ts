import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { ConfirmationService } from '../../../src/tokens/families/confirmation.service.js';
import type { RefreshTokenStore } from '../../../src/tokens/families/refresh-token.store.js';

describe('ConfirmationService', () => {
  let confirm: ReturnType<typeof vi.fn<(seen: ReadonlyMap<string, number>) => Promise<void>>>;
  let confirmations: ConfirmationService;
  const written = () => confirm.mock.calls.map(([seen]) => Object.fromEntries(seen));

  beforeEach(() => {
    vi.useFakeTimers();
    confirm = vi.fn<(seen: ReadonlyMap<string, number>) => Promise<void>>().mockResolvedValue();
    confirmations = new ConfirmationService(
      { confirm } as unknown as RefreshTokenStore,
      new BackgroundLoops(true),
    );
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it('writes the newest generation of each family in one batch, within half a second', async () => {
    confirmations.onModuleInit();
    confirmations.note('a', 2);
    confirmations.note('a', 1);
    confirmations.note('b', 3);
    await vi.advanceTimersByTimeAsync(500);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(written()).toEqual([{ a: 2, b: 3 }]);
    await confirmations.onApplicationShutdown();
  });

  it('records the first generation, too', async () => {
    confirmations.note('a', 0);
    await confirmations.flush();
    expect(confirm).toHaveBeenCalledWith(new Map([['a', 0]]));
  });

  it('writes a failed batch again without overwriting newer generations', async () => {
    confirm.mockImplementationOnce(async () => {
      confirmations.note('a', 5);
      throw new Error('gone');
    });
    confirmations.note('a', 4);
    confirmations.note('b', 1);
    await expect(confirmations.flush()).rejects.toThrow('gone');
    await confirmations.flush();
    expect(written()[1]).toEqual({ a: 5, b: 1 });
  });

  it('logs an outage once, and again only after a batch was written in between', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    confirm.mockRejectedValue(new Error('gone'));
    confirmations.onModuleInit();
    confirmations.note('a', 1);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(written().length).toBeGreaterThan(5);
    expect(warn).toHaveBeenCalledTimes(1);

    confirm.mockResolvedValue();
    await vi.advanceTimersByTimeAsync(500);
    expect(written().at(-1)).toEqual({ a: 1 });
    confirm.mockRejectedValue(new Error('gone again'));
    confirmations.note('a', 2);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(warn).toHaveBeenCalledTimes(2);
  });

  it('stops and logs a warning if the pending generations cannot be written', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    confirm.mockRejectedValue(new Error('gone'));
    confirmations.note('a', 1);
    await confirmations.onApplicationShutdown();
    expect(warn).toHaveBeenCalledWith(
      { err: new Error('gone') },
      'failed to record received refresh tokens before the stop',
    );
  });

  it('writes one batch at a time', async () => {
    let finish = () => {};
    confirm.mockImplementationOnce(() => new Promise((resolve) => (finish = resolve)));
    confirmations.note('a', 1);
    const first = confirmations.flush();
    confirmations.note('b', 1);
    const second = confirmations.flush();
    expect(confirm).toHaveBeenCalledTimes(1);
    finish();
    await Promise.all([first, second]);
    await confirmations.flush();
    expect(written()[1]).toEqual({ b: 1 });
  });

  it('writes the pending generations before the node stops', async () => {
    confirmations.onModuleInit();
    confirmations.note('a', 1);
    await confirmations.onApplicationShutdown();
    expect(written()).toEqual([{ a: 1 }]);
  });

  it('keeps a bounded number of families and still updates those', async () => {
    for (let i = 0; i < 100_010; i++) confirmations.note(`s${i}`, 1);
    confirmations.note('s0', 2);
    await confirmations.flush();
    const [seen] = confirm.mock.calls[0]!;
    expect(seen.size).toBe(100_000);
    expect(seen.get('s0')).toBe(2);
  });
});
