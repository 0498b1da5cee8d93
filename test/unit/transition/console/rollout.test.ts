import { expect, it } from 'vitest';
import { revocationOf } from '../../../../packages/console/src/logins/revocation.js';
import {
  describeChart,
  differenceOf,
  intervalOf,
  valueOf,
} from '../../../../packages/console/src/transition/rollout/figures.js';
import { bodyOf, draftOf } from '../../../../packages/console/src/transition/rollout/plan-draft.js';
import { changesIn } from '../../../../packages/console/src/transition/rollout/words.js';

it('says what a version changed, in words', () => {
  const changes = {
    phase: { from: 'internal_beta', to: 'gradual_rollout' },
    percentage: { from: 5, to: 10 },
    drain: { from: false, to: true },
    roles: { from: [], to: ['staff', 'beta'] },
    brownouts: { from: [], to: [] },
  };
  expect(changesIn(changes)).toBe(
    'Phase Internal beta → Gradual rollout, Percentage 5 % → 10 %, Drain off → on, Roles none → staff beta',
  );
});

it('writes the difference of a figure with its sign, unit and interval', () => {
  const figure = {
    figure: 'errors',
    tokens: 0.012,
    sessions: 0.01,
    difference: 0.002,
    low: -0.0005,
    high: 0.0045,
  };
  expect([differenceOf(figure), intervalOf(figure)]).toEqual(['+0.20 %', '(−0.05 % to +0.45 %)']);
  const unknown = { ...figure, difference: null, low: null, high: null };
  expect([differenceOf(unknown), intervalOf(unknown)]).toEqual(['No difference yet', '']);
  expect([valueOf('p95_ms', 8.42), valueOf('users', 1240), valueOf('errors', null)]).toEqual([
    '8.4 ms',
    '1,240',
    '–',
  ]);
});

it('tells screen readers the latest numbers of a chart', () => {
  const bucket = (minute: number, tokens: number | null, sessions: number | null) => {
    const range = { difference: null, low: null, high: null };
    return {
      from: `2026-11-30T10:0${minute}:00Z`,
      to: `2026-11-30T10:0${minute + 1}:00Z`,
      figures: [{ figure: 'errors', tokens, sessions, ...range }] as never,
    };
  };
  expect(describeChart('errors', [])).toBe('Errors: no data yet');
  const text = describeChart('errors', [bucket(0, 0.01, null), bucket(1, 0.02, null), bucket(2, null, null)]);
  expect(text).toMatch(
    /^Errors over time, from .+ to .+\. Latest: 2\.0 % with tokens, no data for sessions$/,
  );
});

it('keeps a plan as it is through the editor', () => {
  const plan = {
    enabled: true,
    steps: [
      { percentage: 5, soak_seconds: 86_400 },
      { percentage: 100, soak_seconds: 1_000 },
    ],
    min_requests: 1_000,
    tolerance: 0.001,
    max_false_alarm: 0.07,
    drain_on_rollback: false,
  };
  expect(bodyOf(draftOf(plan as never))).toEqual(plan);
});

it('offers no bulk revocation that would end more than the kind of login in the filter', () => {
  expect(revocationOf({ scheme: 'session', username: 'grace' }, 'id')).toHaveProperty('impossible');
  expect(revocationOf({ scheme: 'bearer', username: 'grace' }, 'id')).toHaveProperty('impossible');
  expect(revocationOf({ scheme: 'bearer', ip: '192.0.2.7' })).toHaveProperty('body');
});
