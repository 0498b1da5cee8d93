import { NO_ORIGIN } from '../../../../src/audit/audit-context.js';
import { AuditStore } from '../../../../src/audit/audit.store.js';
import type { TransitionConfig } from '../../../../src/transition/transition.settings.js';
import { ServiceStateStore } from '../../../../src/database/service-state.store.js';
import { RolloutAdministrationService } from '../../../../src/transition/rollout/rollout-administration.service.js';
import { RolloutFlagService } from '../../../../src/transition/rollout/rollout-flag.service.js';
import { RolloutService } from '../../../../src/transition/rollout/rollout.service.js';
import { RolloutHistoryStore } from '../../../../src/transition/rollout/rollout-history.store.js';
import { RolloutStore } from '../../../../src/transition/rollout/rollout.store.js';
import { AdminRole } from '../../../../src/users/admin-role.js';
import { aNode } from '../../tokens/token-node.js';
import type { TokenNode } from '../../tokens/token-node.js';

/** The rollout on one node, wired by hand, with a pool of its own. */
export interface RolloutNode extends TokenNode<TransitionConfig> {
  readonly store: RolloutStore;
  readonly rollout: RolloutService;
  readonly administration: RolloutAdministrationService;
}

export const BY = {
  actorId: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10',
  origin: NO_ORIGIN,
  provedPassword: true,
};

export async function aRolloutNode(
  url: string,
  change: Partial<TransitionConfig> = {},
): Promise<RolloutNode> {
  const node = await aNode<TransitionConfig>(url, {
    rolloutPhase: 'gradual_rollout',
    rolloutPercentage: 100,
    ...change,
  });
  const { database, feed, clock, config } = node;
  const store = new RolloutStore(database, new ServiceStateStore(database), new AuditStore(database));
  const adminRole = new AdminRole('admin');
  const flag = new RolloutFlagService();
  const rollout = new RolloutService(store, flag, feed, clock, adminRole, config);
  await flag.onModuleInit();
  await rollout.onModuleInit();
  await feed.start();
  return {
    ...node,
    store,
    rollout,
    administration: new RolloutAdministrationService(
      store,
      rollout,
      new RolloutHistoryStore(database),
      adminRole,
    ),
  };
}
