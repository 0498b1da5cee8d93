import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Refunds } from '../../../src/limits/refunds.js';

describe('Refunds', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('are written together once, a moment later', async () => {
    const write = vi.fn((_calls: ReadonlyMap<string, number>) => Promise.resolve());
    const refunds = new Refunds(write);
    for (const key of ['a', 'b', 'a']) refunds.add(key);
    expect(write).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(100);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(write.mock.calls.map(([calls]) => [...calls])).toEqual([
      [
        ['a', 2],
        ['b', 1],
      ],
    ]);
    expect(refunds.hasPending('a')).toBe(false);
  });

  it('are not retried after a failure, because the statement may have run', async () => {
    const write = vi.fn(() => Promise.reject(new Error('gone')));
    const refunds = new Refunds(write);
    refunds.add('a');
    await refunds.settle('a');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(write).toHaveBeenCalledTimes(1);
  });

  it('that arrive while others are written are awaited, too', async () => {
    const answers: (() => void)[] = [];
    const write = vi.fn(() => new Promise<void>((resolve) => answers.push(resolve)));
    const refunds = new Refunds(write);
    refunds.add('a');
    void refunds.flush();
    refunds.add('a');
    let done = false;
    const settled = refunds.settle('a').then(() => (done = true));
    answers[0]!();
    await vi.advanceTimersByTimeAsync(0);
    expect([done, write.mock.calls.length]).toEqual([false, 2]);
    answers[1]!();
    await settled;
    expect(refunds.hasPending('a')).toBe(false);
  });

  it('are all written by drain, also those that arrive while others are written', async () => {
    const answers: (() => void)[] = [];
    const write = vi.fn(
      (_calls: ReadonlyMap<string, number>) => new Promise<void>((resolve) => answers.push(resolve)),
    );
    const refunds = new Refunds(write);
    refunds.add('a');
    void refunds.flush();
    refunds.add('b');
    const drained = refunds.drain();
    answers[0]!();
    await vi.advanceTimersByTimeAsync(0);
    answers[1]!();
    await drained;
    expect(write.mock.calls.map(([calls]) => [...calls])).toEqual([[['a', 1]], [['b', 1]]]);
  });
});
