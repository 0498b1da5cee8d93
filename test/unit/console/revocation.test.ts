import { expect, it } from 'vitest';
import { revocationOf } from '../../../packages/console/src/logins/revocation.js';

const ID = '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10';

it('revokes and counts by the same filters', () => {
  const filters = { ip: '192.0.2.0/24', began_before: '2026-11-24T09:30:00Z', user_agent: 'curl' };
  expect(revocationOf(filters)).toEqual({
    body: { ip: '192.0.2.0/24', issued_before: '2026-11-24T09:30:00Z', user_agent: 'curl' },
    count: { ...filters, state: 'active' },
  });
});

it('counts what the list shows by default if the filters are about people only', () => {
  expect(revocationOf({ username: 'grace' }, ID, { kind: 'all' })).toEqual({
    body: { user_ids: [ID] },
    count: { kind: 'all', username: 'grace', state: 'active' },
  });
  expect(revocationOf({ role: 'staff', ip: '192.0.2.7' }, undefined, { kind: 'all' })).toMatchObject({
    count: { role: 'staff', ip: '192.0.2.7', state: 'active' },
  });
});

it.each([
  ['no filter', {}],
  ['only a state', { state: 'active' }],
  ['ended logins', { state: 'revoked', ip: '192.0.2.7' }],
  ['a reason', { reason: 'reuse', ip: '192.0.2.7' }],
  ['a name that nobody has', { username: 'nobody' }],
])('offers no revocation for %s', (_what, filters) => {
  expect(revocationOf(filters as Record<string, string>)).toHaveProperty('impossible');
});
