import type { Role } from '../../common/role.js';
import type { Phase, RolloutSettings, RolloutState } from './rollout-state.js';

/** The settings in JSON. Times are ISO 8601 in UTC. */
export interface SettingsView {
  readonly phase: Phase;
  readonly percentage: number;
  readonly roles: readonly Role[];
  readonly user_ids: readonly string[];
  readonly drain: boolean;
  readonly sunset_at: string | null;
  readonly brownouts: readonly { readonly from: string; readonly to: string }[];
}

export interface StateView extends SettingsView {
  readonly version: number;
}

/** Each changed field, before and after. Of `user_ids` only the number. */
export type ChangesView = Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>>;

export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

export function settingsView(settings: RolloutSettings): SettingsView {
  const { phase, percentage, roles, userIds, drain, sunsetAt, brownouts } = settings;
  return {
    phase,
    percentage,
    roles,
    user_ids: userIds,
    drain,
    sunset_at: sunsetAt === null ? null : iso(sunsetAt),
    brownouts: brownouts.map(({ from, to }) => ({ from: iso(from), to: iso(to) })),
  };
}

export function stateView(state: RolloutState): StateView {
  return { ...settingsView(state), version: state.version };
}

/** The differences between two states; every field if there is no earlier state. */
export function changesOf(before: RolloutSettings | undefined, after: RolloutSettings): ChangesView {
  const from: Readonly<Record<string, unknown>> = before === undefined ? {} : { ...settingsView(before) };
  const changed = Object.entries(settingsView(after)).filter(
    ([field, value]) => JSON.stringify(value) !== JSON.stringify(from[field]),
  );
  return Object.fromEntries(
    changed.map(([field, to]) => [field, { from: shown(field, from[field]), to: shown(field, to) }]),
  );
}

export function isSame(one: RolloutSettings, other: RolloutSettings): boolean {
  return Object.keys(changesOf(one, other)).length === 0;
}

function shown(field: string, value: unknown): unknown {
  return field === 'user_ids' && Array.isArray(value) ? value.length : (value ?? null);
}
