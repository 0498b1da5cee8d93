import { describe, expect, it } from 'vitest';
import { WorkQueue } from '../../../src/users/hashing/work-queue.js';

/** Work that finishes when the test tells it to. */
function held() {
  let finish: (error?: Error) => void = () => {};
  const done = new Promise<void>((resolve, reject) => {
    finish = (error) => (error === undefined ? resolve() : reject(error));
  });
  return { work: () => done, finish: (error?: Error) => finish(error) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('WorkQueue', () => {
  it('runs no more work at once than it has lanes, and queued work in order', async () => {
    const queue = new WorkQueue(2, { known: 0, unknown: 100 });
    let running = 0;
    let most = 0;
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        queue.run(async () => {
          order.push(index);
          most = Math.max(most, ++running);
          await settled();
          running -= 1;
        }, 'unknown'),
      ),
    );
    expect(most).toBe(2);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  it('refuses work with 503 at once if it has no room', async () => {
    const queue = new WorkQueue(1, { known: 0, unknown: 2 });
    const first = held();
    const taken = [
      queue.run(first.work, 'unknown'),
      queue.run(async () => 'b', 'unknown'),
      queue.run(async () => 'c', 'unknown'),
    ];
    await expect(queue.run(async () => 'd', 'unknown')).rejects.toMatchObject({
      status: 503,
      code: 'service_unavailable',
      headers: { 'Retry-After': expect.stringMatching(/^\d+$/) },
    });
    first.finish();
    expect(await Promise.all(taken)).toEqual([undefined, 'b', 'c']);
    expect(await queue.run(async () => 'e', 'unknown')).toBe('e');
  });

  it('rejects for the caller of failed work and continues', async () => {
    const queue = new WorkQueue(1, { known: 0, unknown: 10 });
    const first = held();
    const failing = expect(queue.run(first.work, 'unknown')).rejects.toThrow('broken');
    const next = queue.run(async () => 'fine', 'unknown');
    first.finish(new Error('broken'));
    await failing;
    expect(await next).toBe('fine');
    expect(await queue.run(async () => 'again', 'unknown')).toBe('again');
  });

  it('lets no work overtake while a lane is passed on', async () => {
    const queue = new WorkQueue(1, { known: 0, unknown: 10 });
    let running = 0;
    const work = async () => {
      expect(++running).toBe(1);
      await settled();
      running -= 1;
    };
    const waiting = [queue.run(work, 'unknown'), queue.run(work, 'unknown')];
    await waiting[0];
    waiting.push(queue.run(work, 'unknown'));
    await Promise.all(waiting);
  });

  describe('while unknown callers fill it', () => {
    /** One lane that an unknown caller occupies, and no more room for unknown callers. */
    function fullQueue() {
      const queue = new WorkQueue(1, { known: 2, unknown: 3 });
      const order: string[] = [];
      const first = held();
      const note = (name: string) => async () => {
        order.push(name);
        await settled();
      };
      const strangers = [
        queue.run(first.work, 'unknown'),
        ...['s1', 's2', 's3'].map((name) => queue.run(note(name), 'unknown')),
      ];
      return { queue, order, note, finish: first.finish, strangers };
    }

    it('refuses unknown callers and has room for known callers', async () => {
      const { queue, note, finish, strangers } = fullQueue();
      await expect(queue.run(note('s4'), 'unknown')).rejects.toMatchObject({ status: 503 });
      expect(() => queue.refuseIfFull('unknown')).toThrow();
      expect(() => queue.refuseIfFull('known')).not.toThrow();
      const known = [queue.run(note('k1'), 'known'), queue.run(note('k2'), 'known')];
      await expect(queue.run(note('k3'), 'known')).rejects.toMatchObject({ status: 503 });
      finish();
      await Promise.all([...known, ...strangers]);
    });

    it('gives every second free lane to known callers and the others to unknown callers', async () => {
      const { queue, order, note, finish, strangers } = fullQueue();
      const known = ['k1', 'k2'].map((name) => queue.run(note(name), 'known'));
      finish();
      await Promise.all([...known, ...strangers]);
      expect(order).toEqual(['k1', 's1', 'k2', 's2', 's3']);
    });

    it('leaves no lane idle when only one share waits', async () => {
      const { order, finish, strangers } = fullQueue();
      finish();
      await Promise.all(strangers);
      expect(order).toEqual(['s1', 's2', 's3']);
    });
  });
});
