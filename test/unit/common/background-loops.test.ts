import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackgroundLoops } from '../../../src/common/background-loops.js';

describe('a background loop', () => {
  const warn = vi.spyOn(Logger.prototype, 'warn');
  const run = vi.fn<() => Promise<void>>();
  const options = { name: 'test', everyMs: 1_000, firstMs: 100, failure: 'it failed', run };

  beforeEach(() => {
    vi.useFakeTimers();
    warn.mockReset();
    run.mockReset().mockResolvedValue();
  });
  afterEach(() => vi.useRealTimers());

  it('runs after the first delay, then each time the interval has passed since the last run ended', async () => {
    const loop = new BackgroundLoops(true).create(options);
    let end: () => void = () => undefined;
    run.mockImplementationOnce(() => new Promise((resolve) => (end = resolve)));
    loop.start();
    loop.start();
    await vi.advanceTimersByTimeAsync(99);
    expect(run).toHaveBeenCalledTimes(0);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(run).toHaveBeenCalledTimes(1);
    end();
    await vi.advanceTimersByTimeAsync(999);
    expect(run).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(run).toHaveBeenCalledTimes(2);
    await loop.stop();
  });

  it('starts at a random moment within the interval unless told otherwise', async () => {
    vi.spyOn(Math, 'random').mockReturnValueOnce(0.5);
    const loop = new BackgroundLoops(true).create({ ...options, firstMs: undefined });
    loop.start();
    await vi.advanceTimersByTimeAsync(499);
    expect(run).toHaveBeenCalledTimes(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(run).toHaveBeenCalledTimes(1);
    await loop.stop();
  });

  it('never runs in a process without background work', async () => {
    const loop = new BackgroundLoops(false).create(options);
    loop.start();
    expect(loop.running).toBe(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(run).not.toHaveBeenCalled();
  });

  it('logs a failure once until a run succeeds, and keeps running', async () => {
    const loop = new BackgroundLoops(true).create(options);
    run.mockRejectedValueOnce(new Error('1')).mockRejectedValueOnce(new Error('2')).mockResolvedValueOnce();
    run.mockImplementationOnce(() => {
      throw new Error('3');
    });
    loop.start();
    await vi.advanceTimersByTimeAsync(3_100);
    expect(run).toHaveBeenCalledTimes(4);
    expect(warn.mock.calls.map(([, message]) => message as string)).toEqual(['it failed', 'it failed']);
    await loop.stop();
  });

  it('waits for the current run when it is stopped, and does not run again or start again', async () => {
    const loops = new BackgroundLoops(true);
    const loop = loops.create(options);
    let fail: (error: Error) => void = () => undefined;
    run.mockImplementationOnce(() => new Promise((_resolve, reject) => (fail = reject)));
    loop.start();
    await vi.advanceTimersByTimeAsync(100);
    const stopped = vi.fn();
    const stop = loops.onApplicationShutdown().then(stopped);
    await vi.advanceTimersByTimeAsync(0);
    expect(stopped).not.toHaveBeenCalled();
    fail(new Error('cut off by the stop'));
    await stop;
    loop.start();
    expect(loop.running).toBe(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(run).toHaveBeenCalledTimes(1);
    expect(warn).not.toHaveBeenCalled();
  });
});
