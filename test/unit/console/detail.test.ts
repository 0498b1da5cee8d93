import { expect, it } from 'vitest';
import { detailOf } from '../../../packages/console/src/audit/detail.js';

it('writes the details of an event in one line', () => {
  expect(detailOf({ note: 'stolen phone', revoked: 3, own: true })).toBe(
    'note “stolen phone”, revoked 3, own true',
  );
  expect(
    detailOf({ changes: { percentage: { from: 5, to: 10 }, sunset_at: { from: null, to: null } } }),
  ).toBe('percentage 5 → 10, sunset at null → null');
  expect(detailOf({ changes: {}, roles: ['a', 'b'] })).toBe('roles ["a","b"]');
});
