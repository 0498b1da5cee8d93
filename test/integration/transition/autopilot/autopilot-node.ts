import { BackgroundLoops } from '../../../../src/common/background-loops.js';
import { AuditStore } from '../../../../src/audit/audit.store.js';
import { AutopilotService } from '../../../../src/transition/autopilot/autopilot.service.js';
import { PlanAdministrationService } from '../../../../src/transition/autopilot/plan-administration.service.js';
import { PlanStore } from '../../../../src/transition/autopilot/plan.store.js';
import { RolloutFiguresService } from '../../../../src/transition/autopilot/rollout-figures.service.js';
import type { DatabaseClock } from '../../../../src/tokens/feed/database-clock.js';
import type { ReportStore } from '../../../../src/transition/report/report.store.js';
import { RolloutFlagService } from '../../../../src/transition/rollout/rollout-flag.service.js';
import { aRolloutNode } from '../rollout/rollout-node.js';
import type { RolloutNode } from '../rollout/rollout-node.js';

/** The time and the figures, as the test sets them. */
export interface Script {
  readonly now: () => number;
  readonly figures: Pick<RolloutFiguresService, 'between'>;
}

/** The autopilot on one node with a real database. The test sets its clock and figures. */
export interface AutopilotNode extends RolloutNode {
  readonly autopilot: AutopilotService;
  readonly plans: PlanAdministrationService;
}

export async function anAutopilotNode(url: string, script: Script): Promise<AutopilotNode> {
  const node = await aRolloutNode(url, { rolloutPercentage: 0 });
  const audit = new AuditStore(node.database);
  const store = new PlanStore(node.database, audit);
  const figures = new RolloutFiguresService({} as ReportStore);
  figures.between = (window) => script.figures.between(window);
  const clock = { now: script.now } as DatabaseClock;
  const autopilot = new AutopilotService(
    store,
    node.store,
    node.rollout,
    figures,
    audit,
    clock,
    new BackgroundLoops(true),
  );
  const plans = new PlanAdministrationService(store, node.store, figures, new RolloutFlagService(), clock);
  return { ...node, autopilot, plans };
}
