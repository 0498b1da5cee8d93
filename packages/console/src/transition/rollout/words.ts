import type { RolloutDto, RolloutEventDto } from '../../api/openapi.js';
import { date } from '../../ui/times.js';
import { number, words } from '../../ui/text.js';

export type Phase = RolloutDto['phase'];

/** The phases in their order. */
export const PHASES: readonly (readonly [Phase, string])[] = [
  ['off', 'Off'],
  ['internal_beta', 'Internal beta'],
  ['gradual_rollout', 'Gradual rollout'],
  ['deprecation_notice', 'Deprecation notice'],
  ['sessions_removed', 'Sessions removed'],
];

export function phaseName(phase: string): string {
  return PHASES.find(([name]) => name === phase)?.[1] ?? words(phase);
}

/** Where the rollout is, in one line. */
export function placeOf({ phase, percentage, sunset_at: sunset }: RolloutDto): string {
  if (phase === 'gradual_rollout') return `Gradual rollout, ${percentage} %`;
  if (phase === 'deprecation_notice' && sunset !== null)
    return `Deprecation notice, sessions end on ${date(sunset)}`;
  return phaseName(phase);
}

const FIELDS: Readonly<Record<string, string>> = {
  phase: 'Phase',
  percentage: 'Percentage',
  roles: 'Roles',
  user_ids: 'Users by id',
  drain: 'Drain',
  sunset_at: 'Sunset',
  brownouts: 'Brownouts',
};

/** What a version changed: `Percentage 5 → 10`. */
export function changesIn(changes: RolloutEventDto['changes']): string {
  return Object.entries(changes)
    .filter(([, change]) => JSON.stringify(change['from']) !== JSON.stringify(change['to']))
    .map(([field, change]) => {
      const name = FIELDS[field] ?? words(field);
      return `${name} ${valueOf(field, change['from'])} → ${valueOf(field, change['to'])}`;
    })
    .join(', ');
}

function valueOf(field: string, value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'number') return field === 'percentage' ? `${value} %` : number(value);
  if (Array.isArray(value) && value.length === 0) return 'none';
  if (Array.isArray(value)) return field === 'roles' ? value.join(' ') : number(value.length);
  if (typeof value !== 'string') return JSON.stringify(value) ?? '';
  return field === 'phase' ? phaseName(value) : field === 'sunset_at' ? date(value) : value;
}

/** Who made a version. */
export function actorOf({ actor, cause }: Pick<RolloutEventDto, 'actor' | 'cause'>): string {
  return actor ?? (cause === 'created' ? 'First start' : 'The plan');
}
