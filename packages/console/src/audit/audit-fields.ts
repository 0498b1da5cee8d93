import type { FilterField } from '../ui/filter-field.js';
import { words } from '../ui/text.js';

/** The events that the trail has. The service refuses any other. */
const EVENTS = [
  'login',
  'refusal',
  'refresh',
  'refresh_reused',
  'logout',
  'revoke',
  'exchange',
  'downgrade',
  'rollout',
  'key',
  'user',
  'client',
  'import',
  'mail',
  'service',
  'audit',
];

export const FIELDS: readonly FilterField[] = [
  {
    name: 'event',
    label: 'Event',
    kind: 'choice',
    options: [['', 'All'], ...EVENTS.map((event) => [event, words(event)] as const)],
  },
  { name: 'user_id', label: 'User id', kind: 'text' },
  { name: 'ip', label: 'Address', kind: 'text' },
  { name: 'request_id', label: 'Request id', kind: 'text' },
];

export const MORE_FIELDS: readonly FilterField[] = [
  { name: 'actor_id', label: 'Actor id', kind: 'text' },
  { name: 'sid', label: 'Login id', kind: 'text' },
  { name: 'external_id', label: 'External id', kind: 'text' },
  { name: 'cause', label: 'Cause', kind: 'text' },
  { name: 'since', label: 'Since', kind: 'time' },
  { name: 'until', label: 'Until', kind: 'time' },
];

export const ALL_FIELDS = [...FIELDS, ...MORE_FIELDS];
