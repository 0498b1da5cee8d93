import { extension } from '../app/installed.js';
import { knownFilters } from '../ui/filter-field.js';
import type { FilterField, Filters } from '../ui/filter-field.js';

export const STATES = [
  ['', 'All'],
  ['active', 'Active'],
  ['revoked', 'Revoked'],
  ['expired', 'Expired'],
] as const;

const REASONS = [
  ['', 'Any'],
  ['logout', 'Logged out'],
  ['revoke', 'Revoked'],
  ['reuse', 'Token reused'],
  ['password', 'Password changed'],
  ['disable', 'User disabled'],
  ['downgrade', 'Moved to a session'],
  ['delete', 'User deleted'],
] as const;

export const FIELDS: readonly FilterField[] = [
  { name: 'username', label: 'User', kind: 'text', placeholder: 'Exact name' },
  { name: 'ip', label: 'Address', kind: 'text', placeholder: '192.0.2.7 or 192.0.2.0/24' },
  { name: 'user_agent', label: 'Program', kind: 'text', placeholder: 'Part of the user agent' },
  { name: 'state', label: 'State', kind: 'choice', options: STATES },
  ...extension.loginChoices.map((choice): FilterField => ({ ...choice, kind: 'choice' })),
];

export const MORE_FIELDS: readonly FilterField[] = [
  { name: 'role', label: 'Role', kind: 'text' },
  { name: 'external_id', label: 'External id', kind: 'text' },
  { name: 'user_id', label: 'User id', kind: 'text' },
  { name: 'reason', label: 'Ended by', kind: 'choice', options: REASONS },
  { name: 'began_since', label: 'Began since', kind: 'time' },
  { name: 'began_before', label: 'Began before', kind: 'time' },
  { name: 'used_since', label: 'Last used since', kind: 'time' },
  { name: 'used_before', label: 'Last used before', kind: 'time' },
];

export const ALL_FIELDS = [...FIELDS, ...MORE_FIELDS];

/** The query of the list. */
export function queryOfFilters(filters: Filters): Record<string, string> {
  return { ...extension.loginDefaults, ...knownFilters(filters, ALL_FIELDS) };
}
