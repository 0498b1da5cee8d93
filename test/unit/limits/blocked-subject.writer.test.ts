import { describe, expect, it, vi } from 'vitest';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import type { BlockedSubjectStore } from '../../../src/limits/blocked/blocked-subject.store.js';
import { BlockedSubjectWriter } from '../../../src/limits/blocked/blocked-subject.writer.js';
import { BlockedSubjects } from '../../../src/limits/blocked/blocked-subjects.js';
import type { BlockScope, NotedBlock } from '../../../src/limits/blocked/blocked-subjects.js';
import type { CounterOwner } from '../../../src/limits/bucket.js';

function aWriter() {
  const blocked = new BlockedSubjects();
  const note = vi.fn((_blocks: readonly NotedBlock[]) => Promise.resolve());
  const store = { note } as unknown as BlockedSubjectStore;
  const writer = new BlockedSubjectWriter(blocked, store, new BackgroundLoops(false));
  const add = (scope: BlockScope, key: string, ms = 1_000, owner?: CounterOwner) =>
    blocked.add({ key, scope, subject: key, owner, quota: { limit: 1, windowSeconds: 60 }, ms });
  return { writer, note, add };
}

describe('BlockedSubjectWriter', () => {
  it('writes at most 500 counters at once, and accounts before a flood of addresses', async () => {
    const { writer, note, add } = aWriter();
    for (let each = 0; each < 6_000; each++) add('login', `address ${each}`);
    add('account', 'alice');
    const written: string[][] = [];
    do {
      await writer.write();
      written.push(note.mock.calls.at(-1)![0].map(({ key }) => key));
    } while (written.length < 11);
    expect(written[0]!.slice(0, 2)).toEqual(['alice', 'address 0']);
    expect(written.map(({ length }) => length)).toEqual([...Array<number>(10).fill(500), 1]);
    await writer.write();
    expect(note).toHaveBeenCalledTimes(11);
  });

  it('writes again what it could not write, unless the node knows better by then', async () => {
    const { writer, note, add } = aWriter();
    note.mockImplementationOnce(() => {
      add('account', 'alice', 30_000);
      return Promise.reject(new Error('lost'));
    });
    add('account', 'alice', 1_000);
    add('account', 'bob', 1_000);
    await expect(writer.write()).rejects.toThrow('lost');
    await writer.write();
    expect(note.mock.calls[1]![0].map(({ key, ms }) => [key, ms])).toEqual([
      ['alice', 30_000],
      ['bob', 1_000],
    ]);
  });

  it('writes a counter only when its user has been looked up, so that the list names the user', async () => {
    const { writer, note, add } = aWriter();
    const owner: CounterOwner = { isPending: true };
    add('account', 'alice', 1_000, owner);
    await writer.write();
    expect(note).not.toHaveBeenCalled();
    owner.userId = 'the id of alice';
    owner.isPending = undefined;
    await writer.write();
    expect(note.mock.calls[0]![0]).toMatchObject([{ key: 'alice', user_id: 'the id of alice' }]);
  });
});
