import { describe, expect, it } from 'vitest';
import { SharedWork } from '../../../src/common/shared-work.js';

/** Work whose runs the test ends one by one. */
function aWork() {
  const runs: PromiseWithResolvers<number>[] = [];
  const work = () => {
    const run = Promise.withResolvers<number>();
    runs.push(run);
    return run.promise;
  };
  return { runs, work };
}

describe('SharedWork', () => {
  it('gives no caller the result of a run that began before the call', async () => {
    const shared = new SharedWork<number>();
    const { runs, work } = aWork();
    const first = shared.run('a', work);
    const [second, third] = [shared.run('a', work), shared.run('a', work)];
    expect(runs).toHaveLength(1);
    runs[0]!.resolve(1);
    expect(await first).toBe(1);
    await expect.poll(() => runs.length).toBe(2);
    const fourth = shared.run('a', work);
    runs[1]!.resolve(2);
    expect(await Promise.all([second, third])).toEqual([2, 2]);
    await expect.poll(() => runs.length).toBe(3);
    runs[2]!.resolve(3);
    expect(await fourth).toBe(3);
  });

  it('runs again after a failure, and passes the failure to those who shared the run', async () => {
    const shared = new SharedWork<number>();
    const { runs, work } = aWork();
    const first = shared.run('a', work);
    const second = shared.run('a', work);
    runs[0]!.reject(new Error('lost'));
    await expect(first).rejects.toThrow('lost');
    await expect.poll(() => runs.length).toBe(2);
    runs[1]!.resolve(2);
    expect(await second).toBe(2);
    const third = shared.run('a', work);
    expect(runs).toHaveLength(3);
    runs[2]!.resolve(3);
    expect(await third).toBe(3);
  });

  it('lets other keys run at the same time', () => {
    const shared = new SharedWork<number>();
    const { runs, work } = aWork();
    void shared.run('a', work);
    void shared.run('b', work);
    expect(runs).toHaveLength(2);
  });
});
