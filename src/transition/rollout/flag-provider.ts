import { FlagdCore } from '@openfeature/flagd-core';
import type { EvaluationContext, JsonValue, Provider, ResolutionDetails } from '@openfeature/server-sdk';
import { flagDefinition } from './flag-definition.js';
import type { RolloutSettings } from './rollout-state.js';

/** Evaluates the flag of the rollout in this process, as flagd would: no call leaves the node. */
export class StateFlagProvider implements Provider {
  readonly runsOn = 'server';
  readonly metadata = { name: 'tandem-rollout' } as const;
  // Interpreted, not compiled: no code is made from data.
  private readonly core = new FlagdCore(undefined, undefined, { disableDynamicCodeGeneration: true });

  /** From now on the flag follows these settings. */
  use(settings: RolloutSettings): void {
    this.core.setConfigurations(JSON.stringify(flagDefinition(settings)));
  }

  async resolveBooleanEvaluation(
    key: string,
    fallback: boolean,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<boolean>> {
    return this.core.resolveBooleanEvaluation(key, fallback, context);
  }

  async resolveStringEvaluation(
    key: string,
    fallback: string,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<string>> {
    return this.core.resolveStringEvaluation(key, fallback, context);
  }

  async resolveNumberEvaluation(
    key: string,
    fallback: number,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<number>> {
    return this.core.resolveNumberEvaluation(key, fallback, context);
  }

  async resolveObjectEvaluation<T extends JsonValue>(
    key: string,
    fallback: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    return this.core.resolveObjectEvaluation(key, fallback, context);
  }
}
