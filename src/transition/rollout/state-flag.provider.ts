import { FlagdCore } from '@openfeature/flagd-core';
import type { EvaluationContext, JsonValue, Provider, ResolutionDetails } from '@openfeature/server-sdk';
import type { EligibilitySubject } from '../../auth/refresh/token-eligibility.service.js';
import type { Phase, RolloutSettings } from './rollout-state.js';

/** The key of the only flag: whether a user is eligible for tokens. */
export const TOKENS_FLAG = 'tokens';

/** Evaluates the flag of the rollout in this process with flagd's own code: no call leaves the node. */
export class StateFlagProvider implements Provider {
  readonly runsOn = 'server';
  readonly metadata = { name: 'tandem-rollout' } as const;
  // Interpreted, not compiled: data never becomes code.
  private readonly core = new FlagdCore(undefined, undefined, { disableDynamicCodeGeneration: true });

  /** From now on the flag follows these settings. */
  use(settings: RolloutSettings): void {
    this.core.setConfigurations(JSON.stringify(flagDefinition(settings)));
  }

  /** The value of the flag for a user, at once. */
  isOn({ id, role }: EligibilitySubject, phase: Phase): boolean {
    const context = { targetingKey: id, role, phase };
    return this.core.resolveBooleanEvaluation(TOKENS_FLAG, false, context).value;
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

/**
 * The settings as a flagd definition (https://flagd.dev/reference/flag-definitions/).
 *
 * `fractional` hashes the flag's key and the user's id into one of 100 equal buckets: the weights always add up to 100. `on` comes first
 * and takes the buckets below the percentage. So a user is always on the same side at one percentage, and a higher percentage only adds
 * users.
 */
export function flagDefinition({ phase, percentage, roles, userIds }: RolloutSettings): object {
  const chosen = {
    or: [{ in: [{ var: 'role' }, roles] }, { in: [{ var: 'targetingKey' }, userIds] }],
  };
  const share = {
    fractional: [
      ['on', percentage],
      ['off', 100 - percentage],
    ],
  };
  const targeting = {
    off: 'off',
    internal_beta: { if: [chosen, 'on', 'off'] },
    gradual_rollout: { if: [chosen, 'on', share] },
    deprecation_notice: 'on',
    sessions_removed: 'on',
  }[phase];
  const flag = { state: 'ENABLED', variants: { on: true, off: false } };
  return {
    $schema: 'https://flagd.dev/schema/v0/flags.json',
    flags: {
      [TOKENS_FLAG]:
        typeof targeting === 'string'
          ? { ...flag, defaultVariant: targeting }
          : { ...flag, defaultVariant: 'off', targeting },
    },
  };
}
