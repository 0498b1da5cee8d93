import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { BY, aRolloutNode } from '../../integration/transition/rollout/rollout-node.js';
import type { RolloutNode } from '../../integration/transition/rollout/rollout-node.js';

const user = { id: BY.actorId, role: 'user' } as const;

describe('the rollout on a node that has lost the database', () => {
  let db: TestDatabase;
  let link: TcpProxy;
  let far: RolloutNode;
  let near: RolloutNode;
  beforeEach(async () => {
    db = await createTestDatabase();
    link = await TcpProxy.to(db.url);
    near = await aRolloutNode(db.url);
    far = await aRolloutNode(link.url);
  });
  afterEach(async () => {
    await link.close();
    await far.stop();
    await near.stop();
    await db.drop();
  });

  it.each(['cut', 'blackHole'] as const)(
    'keeps its last known state, and follows again when the link is back: %s',
    async (breakIt) => {
      await near.administration.change({ percentage: 0 }, undefined, BY);
      await expect.poll(() => far.rollout.isEligible(user)).toBe(false);
      link[breakIt]();
      await expect.poll(() => far.feed.isFresh()).toBe(false);
      await near.administration.change({ phase: 'deprecation_notice', percentage: 100 }, undefined, BY);
      expect(far.rollout.current()).toMatchObject({ phase: 'gradual_rollout', percentage: 0, version: 2 });
      expect(far.rollout.phase()).toBe('gradual_rollout');
      expect(await far.rollout.isEligible(user)).toBe(false);
      await expect(far.administration.change({ percentage: 5 }, undefined, BY)).rejects.toThrow();
      expect(far.rollout.current().version).toBe(2);
      link.heal();
      await expect.poll(() => far.rollout.phase()).toBe('deprecation_notice');
      expect(await far.rollout.isEligible(user)).toBe(true);
    },
  );
});
