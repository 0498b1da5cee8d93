import type { FilterField } from '../ui/filter-field.js';
import type { Routes } from '../api/openapi.js';
import { words } from '../ui/text.js';

type EventName = NonNullable<Routes['GET /admin/audit']['query']['event']>;

/** The events that the trail has. The service refuses any other, and the compiler asks for each that it knows. */
const EVENTS: Readonly<Record<EventName, true>> = {
  login: true,
  refusal: true,
  refresh: true,
  refresh_reused: true,
  logout: true,
  revoke: true,
  exchange: true,
  downgrade: true,
  rollout: true,
  key: true,
  user: true,
  client: true,
  import: true,
  mail: true,
  service: true,
  audit: true,
};

export const FIELDS: readonly FilterField[] = [
  {
    name: 'event',
    label: 'Event',
    kind: 'choice',
    options: [['', 'All'], ...Object.keys(EVENTS).map((event) => [event, words(event)] as const)],
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
