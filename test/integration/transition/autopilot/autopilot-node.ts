import { BackgroundLoops } from '../../../../src/common/background-loops.js';
import { AuditStore } from '../../../../src/audit/audit.store.js';
import { Autopilot } from '../../../../src/transition/autopilot/autopilot.service.js';
import { PlanAdministration } from '../../../../src/transition/autopilot/plan-administration.service.js';
import { PlanSight } from '../../../../src/transition/autopilot/plan-sight.service.js';
import { PlanStore } from '../../../../src/transition/autopilot/plan.store.js';
import type { RolloutFigures } from '../../../../src/transition/autopilot/rollout-figures.js';
import type { DatabaseClock } from '../../../../src/tokens/feed/database-clock.js';
import { RolloutFlagService } from '../../../../src/transition/rollout/rollout-flag.service.js';
import { aRolloutNode } from '../rollout/rollout-node.js';
import type { RolloutNode } from '../rollout/rollout-node.js';

/** What the nodes take for the time and for the figures. */
export interface Script {
  readonly now: () => number;
  readonly figures: Pick<RolloutFigures, 'between'>;
}

/** The autopilot on one node, its clock and figures in the hands of the test, the database real. */
export interface AutopilotNode extends RolloutNode {
  readonly autopilot: Autopilot;
  readonly plans: PlanAdministration;
}

export async function anAutopilotNode(url: string, script: Script): Promise<AutopilotNode> {
  const node = await aRolloutNode(url, { rolloutPercentage: 0 });
  const audit = new AuditStore(node.database);
  const store = new PlanStore(node.database, audit);
  const sight = new PlanSight(script.figures as RolloutFigures);
  const clock = { now: script.now } as DatabaseClock;
  const autopilot = new Autopilot(
    store,
    node.store,
    node.rollout,
    sight,
    audit,
    clock,
    new BackgroundLoops(true),
  );
  const plans = new PlanAdministration(store, node.store, sight, new RolloutFlagService(), clock);
  return { ...node, autopilot, plans };
}
