import type { RolloutSettings } from './rollout-state.js';

/** The key of the one flag: whether a user may have tokens. */
export const TOKENS_FLAG = 'tokens';

/**
 * The settings as a flagd definition (https://flagd.dev/reference/flag-definitions/).
 *
 * `fractional` puts a user, by a hash of the flag's key and the user's id alone, into one of 100 equal buckets, because the
 * weights always add up to 100; `on` comes first and so takes the buckets from 0 up to the percentage. So a user is always on the
 * same side at the same percentage, and a higher one only adds users.
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
