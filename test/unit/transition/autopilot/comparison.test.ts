import { describe, expect, it } from 'vitest';
import { MIN_SAMPLE, levelAt, worseWithTokens } from '../../../../src/transition/autopilot/comparison.js';
import { seeded, evidenceOf, someFigures } from './scripted.js';

describe('the comparison', () => {
  it('finds nothing if both schemes are alike or tokens are better', () => {
    expect(worseWithTokens(evidenceOf({}), 0.01, 0)).toBeUndefined();
    expect(worseWithTokens(evidenceOf({ errors: 0 }, { errors: 900 }), 0.01, 0)).toBeUndefined();
  });

  it('finds errors that are more frequent with tokens', () => {
    expect(worseWithTokens(evidenceOf({ errors: 100 }), 0.001, 0.001)).toMatchObject({
      figure: 'errors',
      window: 'whole',
      tokens: { hits: 100, trials: 10_000 },
      sessions: { hits: 10, trials: 10_000 },
    });
  });

  it('finds unexpected logouts by user', () => {
    expect(worseWithTokens(evidenceOf({ logouts: 20 }), 0.001, 0.001)).toMatchObject({
      figure: 'unexpected logouts',
      tokens: { hits: 20, trials: 500 },
    });
    expect(worseWithTokens(evidenceOf({ logouts: 2_000 }), 0.001, 0.001)).toMatchObject({
      tokens: { hits: 2_000, trials: 2_000 },
    });
  });

  it('finds a recent fault that the average of a long step hides', () => {
    const whole = evidenceOf(
      { requests: 10_000_000, errors: 10_100 },
      { requests: 10_000_000, errors: 10_000 },
    );
    const recent = evidenceOf({ requests: 2_000, errors: 60 }, { requests: 2_000, errors: 2 });
    expect(worseWithTokens({ ...whole, recent: recent.recent }, 0.001, 0.001)).toMatchObject({
      window: 'recent',
    });
  });

  it('ignores a difference within the tolerance, even a significant one', () => {
    const evidence = evidenceOf(
      { requests: 1_000_000, errors: 1_900 },
      { requests: 1_000_000, errors: 1_000 },
    );
    expect(worseWithTokens(evidence, 0.001, 0.001)).toBeUndefined();
    expect(worseWithTokens(evidence, 0.001, 0.0005)).toBeDefined();
  });

  it('needs the minimum sample of both schemes', () => {
    const bad = { requests: MIN_SAMPLE, errors: MIN_SAMPLE };
    const good = { requests: MIN_SAMPLE, errors: 0 };
    expect(worseWithTokens(evidenceOf(bad, good), 0.001, 0.001)).toBeDefined();
    const less = MIN_SAMPLE - 1;
    expect(worseWithTokens(evidenceOf({ requests: less, errors: less }, good), 0.001, 0.001)).toBeUndefined();
    expect(worseWithTokens(evidenceOf(bad, { requests: less, errors: 0 }), 0.001, 0.001)).toBeUndefined();
  });

  it('keeps the sum of all significance levels below the plan’s', () => {
    let spent = 0;
    for (let look = 1; look <= 100_000; look += 1) spent += 4 * levelAt(look, 5, 0.01);
    expect(5 * spent).toBeLessThan(0.01);
    expect(5 * spent).toBeGreaterThan(0.0099);
  });
});

describe('10,000 faultless rollouts', () => {
  const STEPS = 3;
  const LOOKS = 12;
  const ERRORS = 0.01;
  const LOGOUTS = 0.005;

  /** How many of `trials`, by the gaps between hits: as exact as tossing for each, and as fast as there are hits. */
  function binomial(random: () => number, trials: number, probability: number): number {
    const log = Math.log1p(-probability);
    let hits = -1;
    for (let at = 0; at <= trials; hits += 1) at += 1 + Math.floor(Math.log(1 - random()) / log);
    return hits;
  }

  /** Whether one of them is rolled back: looks at figures that grow, with tokens and sessions alike. */
  function isRolledBack(random: () => number, level: (look: number) => number): boolean {
    for (let step = 1; step <= STEPS; step += 1) {
      const bearer = someFigures({ requests: 0, errors: 0, users: 0 });
      const session = someFigures({ requests: 0, errors: 0, users: 0 });
      for (let look = 1; look <= LOOKS; look += 1) {
        const [few, many] = [50 * step, 500];
        const grown = [grow(bearer, few), grow(session, many)] as const;
        const now = { bearer: grown[0], session: grown[1] };
        if (worseWithTokens({ whole: now, recent: now }, level(look), 0) !== undefined) return true;
        Object.assign(bearer, grown[0]);
        Object.assign(session, grown[1]);
      }
    }
    return false;

    function grow(figures: ReturnType<typeof someFigures>, by: number) {
      return {
        requests: figures.requests + by,
        errors: figures.errors + binomial(random, by, ERRORS),
        users: figures.users + by / 5,
        logouts: figures.logouts + binomial(random, by / 5, LOGOUTS),
      };
    }
  }

  it('are rolled back no more often than the plan allows', () => {
    const random = seeded(4);
    let alarms = 0;
    for (let rollout = 0; rollout < 10_000; rollout += 1) {
      if (isRolledBack(random, (look) => levelAt(look, STEPS, 0.05))) alarms += 1;
    }
    // Allowed are 500. Far fewer are expected: the test is exact, and looks at the same figures resemble each other.
    expect(alarms).toBeLessThan(500);
    expect(alarms).toBeGreaterThan(0);
    console.info(`false alarms: ${alarms} of 10,000 good rollouts, of 500 that were allowed`);
  });

  it('would be rolled back far too often if each evaluation used the whole level', () => {
    const random = seeded(4);
    let alarms = 0;
    for (let rollout = 0; rollout < 1_000; rollout += 1) {
      if (isRolledBack(random, () => 0.05)) alarms += 1;
    }
    expect(alarms).toBeGreaterThan(100);
  });
});
