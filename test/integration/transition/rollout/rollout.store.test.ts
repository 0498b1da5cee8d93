import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../helpers/database.js';
import type { TestDatabase } from '../../../helpers/database.js';
import { BY, aRolloutNode } from './rollout-node.js';
import type { RolloutNode } from './rollout-node.js';

describe('the rollout on several nodes', () => {
  let db: TestDatabase;
  const started: RolloutNode[] = [];
  beforeEach(async () => {
    db = await createTestDatabase();
  });
  afterEach(async () => {
    for (const node of started.splice(0)) await node.stop();
    await db.drop();
  });

  async function another(rolloutPercentage = 100): Promise<RolloutNode> {
    const node = await aRolloutNode(db.url, { rolloutPercentage });
    started.push(node);
    return node;
  }
  const rows = <Row extends Record<string, unknown>>(text: string) => db.database.query<Row>(text);

  it('gets one first state, of one node’s settings, when several start together', async () => {
    const nodes = await Promise.all([10, 20, 30, 40].map((percentage) => another(percentage)));
    const [row] = await rows<{ n: number; percentage: number }>(
      'SELECT count(*)::int AS n, min(percentage) AS percentage FROM rollout_versions',
    );
    expect(row!.n).toBe(1);
    for (const node of nodes)
      expect(node.rollout.current()).toMatchObject({ version: 1, percentage: row!.percentage });
  });

  it('loses none of many simultaneous changes', async () => {
    const nodes = [await another(), await another(), await another()];
    const changed = await Promise.all(
      Array.from({ length: 18 }, (_, index) =>
        nodes[index % 3]!.administration.change(
          index % 2 === 0 ? { percentage: index } : { drain: index % 4 === 1 },
          undefined,
          BY,
        ),
      ),
    );
    const versions = changed.map(({ version }) => version).toSorted((a, b) => a - b);
    expect(versions).toEqual(Array.from({ length: 18 }, (_, index) => index + 2));
    const history = await rows<{ version: number; percentage: number; drain: boolean }>(
      'SELECT version, percentage, drain FROM rollout_versions ORDER BY version',
    );
    // Each differs from the one before in what its own change named alone.
    for (const [index, after] of history.entries()) {
      const before = history[index - 1];
      if (before === undefined) continue;
      expect([before.percentage, before.drain]).toSatisfy(
        ([percentage, drain]) => percentage === after.percentage || drain === after.drain,
      );
    }
    const last = history.at(-1)!;
    const of = (field: 'percentage' | 'drain') =>
      changed.find(({ version }) => version === last.version)![field];
    expect([last.percentage, last.drain]).toEqual([of('percentage'), of('drain')]);
    for (const node of nodes) await expect.poll(() => node.rollout.current().version).toBe(last.version);
    expect(await rows(`SELECT 1 FROM audit_events WHERE event = 'rollout'`)).toHaveLength(19);
  });

  it('accepts one of many changes that are based on the same version', async () => {
    const nodes = [await another(), await another()];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        nodes[index % 2]!.administration.change({ percentage: index }, 1, BY),
      ),
    );
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(19);
    for (const outcome of refused) {
      expect(outcome).toMatchObject({ reason: { code: 'stale_version', status: 409 } });
    }
    expect((await nodes[0]!.administration.read()).version).toBe(2);
  });

  it('goes back as many states as there are simultaneous rollbacks', async () => {
    const nodes = [await another(0), await another()];
    for (let percentage = 1; percentage <= 10; percentage += 1) {
      await nodes[0]!.administration.change({ percentage }, undefined, BY);
    }
    await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        nodes[index % 2]!.administration.rollBack(undefined, undefined, BY),
      ),
    );
    expect(await nodes[0]!.administration.read()).toMatchObject({ percentage: 4, version: 17 });
  });

  it('keeps every field across a restart', async () => {
    const node = await another();
    const sunsetAt = Date.now() + 1_000_000_123;
    const state = await node.administration.change(
      {
        phase: 'deprecation_notice',
        percentage: 1,
        roles: ['admin', 'user'],
        userIds: [BY.actorId],
        drain: true,
        sunsetAt,
        brownouts: [{ from: sunsetAt - 2_001, to: sunsetAt - 1_001 }],
      },
      1,
      BY,
    );
    const restarted = await another(50);
    expect(restarted.rollout.current()).toMatchObject(state);
    expect(restarted.rollout.current().sunsetAt).toBe(sunsetAt);
  });

  it('writes nothing if the change cannot be audited', async () => {
    const node = await another();
    await rows('ALTER TABLE audit_events RENAME TO hidden');
    await expect(node.administration.change({ percentage: 5 }, undefined, BY)).rejects.toThrow();
    expect(node.rollout.current()).toMatchObject({ version: 1, percentage: 100 });
    expect(await node.administration.read()).toMatchObject({ version: 1, percentage: 100 });
  });
});
