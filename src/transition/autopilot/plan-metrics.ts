import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { Metrics } from '../../operations/metrics.js';
import { isAnnounced } from '../rollout/rollout-state.js';
import { RolloutService } from '../rollout/rollout.service.js';
import { AutopilotService } from './autopilot.service.js';
import { PlanStore } from './plan.store.js';
import { shareOf } from './plan.js';
import type { PlanState } from './plan.js';

/** How often the plan is read for the metrics. */
const INTERVAL_MS = 15_000;

/** `holding`: the plan waits for more requests before its next step. */
const STATES = ['off', 'running', 'holding', 'finished', 'rolled_back', 'paused'] as const;

/** The rollout and its plan as Prometheus metrics. Every node publishes them; only the node that evaluates the plan knows that it holds. */
@Injectable()
export class PlanMetrics implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly loop: BackgroundLoop;
  private state: PlanState = 'off';

  constructor(
    plans: PlanStore,
    rollout: RolloutService,
    private readonly autopilot: AutopilotService,
    loops: BackgroundLoops,
    metrics: Metrics,
  ) {
    this.loop = loops.create({
      name: 'rollout-plan-metrics',
      everyMs: INTERVAL_MS,
      failure: 'failed to read the plan of the rollout for the metrics; will retry',
      run: async () => {
        this.state = (await plans.read()).state;
      },
    });
    metrics.gauges(
      'tandem_rollout_plan',
      'Whether the plan of the rollout is in a state, by state; holding is known only to the node that evaluates it',
      'state',
      () => Object.fromEntries(STATES.map((state) => [state, Number(state === this.current)])),
    );
    metrics.gauge('tandem_rollout_percentage', 'Percentage of users who are eligible for tokens', () => {
      const state = rollout.current();
      return isAnnounced(rollout.phase()) ? 100 : shareOf(state);
    });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  private get current(): (typeof STATES)[number] {
    const holds = this.state === 'running' && this.autopilot.lastAction === 'hold';
    return holds ? 'holding' : this.state;
  }
}
