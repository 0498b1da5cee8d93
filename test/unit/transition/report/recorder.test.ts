import { describe, expect, it, vi } from 'vitest';
import { BackgroundLoops } from '../../../../src/common/background-loops.js';
import { RecorderService } from '../../../../src/transition/report/recorder.service.js';
import type { Batch } from '../../../../src/transition/report/report-writer.store.js';

type Hook = (request: object, reply: object, done: () => void) => void;

/** A recorder with fakes around it. Every request counts for `bearer`. */
function aRecorder() {
  let hook: Hook | undefined;
  const fastify = { addHook: (_name: string, added: Hook) => (hook = added) };
  const write = vi.fn<(batch: Batch) => Promise<void>>().mockResolvedValue(undefined);
  const recorder = new RecorderService(
    { httpAdapter: { getInstance: () => fastify } } as never,
    { schemeOf: () => 'bearer' } as never,
    { now: () => 1_796_000_000_000 } as never,
    { write } as never,
    { countUsers: () => undefined, answered: () => undefined } as never,
    { note: () => undefined, examine: () => Promise.resolve() } as never,
    { note: () => undefined, verified: () => Promise.resolve([]), empty: true } as never,
    { note: () => undefined, examined: () => Promise.resolve([]), empty: true } as never,
    new BackgroundLoops(true),
  );
  recorder.onModuleInit();
  const answer = () =>
    hook!({ headers: {}, user: { userId: 'user' } }, { statusCode: 200, elapsedTime: 1 }, () => undefined);
  return { recorder, write, answer };
}

const requestsIn = ({ counts }: Batch) =>
  counts.filter(({ kind }) => kind === 'latency').reduce((sum, { n }) => sum + n, 0);

describe('the recorder', () => {
  it('does no I/O for a request, and writes its counts when the node stops', async () => {
    const { recorder, write, answer } = aRecorder();
    for (let time = 0; time < 3; time++) answer();
    expect(write).not.toHaveBeenCalled();
    await recorder.onApplicationShutdown();
    expect(write.mock.calls.map(([batch]) => requestsIn(batch))).toEqual([3]);
  });

  it('repeats the same batch after a failure, and writes later requests as another batch', async () => {
    const { recorder, write, answer } = aRecorder();
    answer();
    write.mockRejectedValueOnce(new Error('away'));
    await recorder.flush();
    answer();
    answer();
    await recorder.flush();
    const batches = write.mock.calls.map(([batch]) => batch);
    expect(batches.map(requestsIn)).toEqual([1, 1, 2]);
    expect(batches[1]).toBe(batches[0]);
    expect(batches[2]!.seq).toBeGreaterThan(batches[1]!.seq);
    await recorder.onApplicationShutdown();
    expect(write).toHaveBeenCalledTimes(3);
  });

  it('writes requests that arrive during a write before a flush resolves', async () => {
    const { recorder, write, answer } = aRecorder();
    let finish: (() => void) | undefined;
    write.mockImplementationOnce(() => new Promise((resolve) => (finish = resolve)));
    answer();
    const first = recorder.flush();
    await vi.waitFor(() => expect(finish).toBeDefined());
    answer();
    const flushes = [recorder.flush(), recorder.flush()];
    finish!();
    await Promise.all([first, ...flushes]);
    expect(write.mock.calls.map(([batch]) => requestsIn(batch))).toEqual([1, 1]);
    await recorder.onApplicationShutdown();
    expect(write).toHaveBeenCalledTimes(2);
  });

  it('stops although the database is unavailable', async () => {
    const { recorder, write, answer } = aRecorder();
    write.mockRejectedValue(new Error('away'));
    answer();
    await recorder.onApplicationShutdown();
    expect(write.mock.calls.length).toBeLessThan(20);
  });
});
