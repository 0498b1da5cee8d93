import { describe, expect, it, vi } from 'vitest';
import { NodeListService } from '../../../src/admin/nodes/node-list.service.js';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { NodeReporter } from '../../../src/operations/nodes/node-reporter.js';

/** Stands in for a collaborator of which only these members are used. */
function part<T>(members: object): T {
  return members as T;
}

function aReporter() {
  const store = {
    report: vi.fn(() => Promise.resolve()),
    remove: vi.fn(() => Promise.resolve()),
    list: vi.fn(),
  };
  const reporter = new NodeReporter(
    part(store),
    part({ failing: () => [] }),
    part({ age: () => 120 }),
    part({ times: () => ({ p50: null, p99: null, samples: 0 }) }),
    new BackgroundLoops(true),
    part({ workers: 1 }),
  );
  return { store, reporter };
}

describe('NodeReporter', () => {
  it('removes its row after a report in flight, and reports no more', async () => {
    const { store, reporter } = aReporter();
    const written = Promise.withResolvers<void>();
    store.report.mockReturnValueOnce(written.promise);
    const report = reporter.report();
    const stopping = reporter.beforeApplicationShutdown();
    await new Promise((resolve) => setImmediate(resolve));
    expect(store.remove).not.toHaveBeenCalled();
    written.resolve();
    await Promise.all([report, stopping]);
    expect(store.remove).toHaveBeenCalledWith(reporter.id);
    await reporter.report();
    expect(store.report).toHaveBeenCalledTimes(1);
  });

  it('removes its row after a report that has failed', async () => {
    const { store, reporter } = aReporter();
    store.report.mockRejectedValueOnce(new Error('lost'));
    await expect(reporter.report()).rejects.toThrow('lost');
    await reporter.beforeApplicationShutdown();
    expect(store.remove).toHaveBeenCalledTimes(1);
  });
});

describe('NodeListService', () => {
  it('lists the nodes that are known if this node cannot report', async () => {
    const { store, reporter } = aReporter();
    store.report.mockRejectedValueOnce(new Error('cannot write'));
    store.list.mockResolvedValueOnce([]);
    expect(await new NodeListService(part(store), reporter, part({})).list()).toEqual({ nodes: [] });
  });
});
