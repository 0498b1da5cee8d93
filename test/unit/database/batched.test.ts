import { describe, expect, it, vi } from 'vitest';
import { batched } from '../../../src/database/batched.js';

interface Row {
  readonly id: string;
}

describe('batched', () => {
  const rows = new Map(Array.from({ length: 1_000 }, (_, index) => [`${index}`, { id: `${index}` }]));
  const byId = { request: (key: string) => key, row: ({ id }: Row) => id };
  const found = (keys: readonly string[]) =>
    Promise.resolve(keys.map((key) => rows.get(key)).filter((row) => row !== undefined));

  it('combines concurrent requests into one statement and gives each request its row', async () => {
    const read = vi.fn(found);
    const find = batched(read, byId);
    const answers = await Promise.all(['7', 'none', '3', '7'].map(find));
    expect(answers).toEqual([{ id: '7' }, undefined, { id: '3' }, { id: '7' }]);
    expect(read).toHaveBeenCalledTimes(1);
  });

  it('caches no row', async () => {
    const read = vi.fn(found);
    const find = batched(read, byId);
    await find('7');
    await find('7');
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('limits the number of requests in a statement', async () => {
    const read = vi.fn(found);
    const find = batched(read, byId);
    const answers = await Promise.all([...rows.keys()].map(find));
    expect(answers).toEqual([...rows.values()]);
    expect(Math.max(...read.mock.calls.map(([keys]) => keys.length))).toBe(200);
  });

  it('fails every request of a failed statement, and no later request', async () => {
    const read = vi.fn(found).mockRejectedValueOnce(new Error('lost'));
    const find = batched(read, byId);
    expect(await Promise.allSettled(['1', '2'].map(find))).toMatchObject([
      { status: 'rejected' },
      { status: 'rejected' },
    ]);
    expect(await find('1')).toEqual({ id: '1' });
  });
});
