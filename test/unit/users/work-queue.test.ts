import { describe, expect, it } from 'vitest';
import { WorkQueue } from '../../../src/users/work-queue.js';

/** Work that ends when told. */
function held() {
  let finish: (error?: Error) => void = () => {};
  const done = new Promise<void>((resolve, reject) => {
    finish = (error) => (error === undefined ? resolve() : reject(error));
  });
  return { work: () => done, finish: (error?: Error) => finish(error) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('WorkQueue', () => {
  it('runs no more at once than it has lanes, and the waiting in their order', async () => {
    const queue = new WorkQueue(2, 100);
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
        }),
      ),
    );
    expect(most).toBe(2);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  it('refuses with 503 at once what it has no room for', async () => {
    const queue = new WorkQueue(1, 2);
    const first = held();
    const taken = [queue.run(first.work), queue.run(async () => 'b'), queue.run(async () => 'c')];
    await expect(queue.run(async () => 'd')).rejects.toMatchObject({
      status: 503,
      code: 'service_unavailable',
      headers: { 'Retry-After': expect.stringMatching(/^\d+$/) },
    });
    first.finish();
    expect(await Promise.all(taken)).toEqual([undefined, 'b', 'c']);
    expect(await queue.run(async () => 'e')).toBe('e');
  });

  it('passes a failure on to whoever asked, and goes on', async () => {
    const queue = new WorkQueue(1, 10);
    const first = held();
    const failing = expect(queue.run(first.work)).rejects.toThrow('broken');
    const next = queue.run(async () => 'fine');
    first.finish(new Error('broken'));
    await failing;
    expect(await next).toBe('fine');
    expect(await queue.run(async () => 'again')).toBe('again');
  });

  it('lets nobody overtake while a lane changes hands', async () => {
    const queue = new WorkQueue(1, 10);
    let running = 0;
    const work = async () => {
      expect(++running).toBe(1);
      await settled();
      running -= 1;
    };
    const waiting = [queue.run(work), queue.run(work)];
    await waiting[0];
    waiting.push(queue.run(work));
    await Promise.all(waiting);
  });
});
