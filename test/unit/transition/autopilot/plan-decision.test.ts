import { describe, expect, it } from 'vitest';
import { decide } from '../../../../src/transition/autopilot/plan-decision.js';
import type { PlanBase } from '../../../../src/transition/autopilot/plan.js';
import { aSettings } from '../rollout/settings.js';
import { aPlan, evidenceOf } from './scripted.js';

const rollout = { ...aSettings({ percentage: 10 }), version: 7 };
const SOAKED = 600_000;
const good = evidenceOf({});

describe('a new plan', () => {
  const from = (phase: PlanBase['phase'], percentage: number) =>
    decide(aPlan({ position: null, since: null, base: { phase, percentage } }), rollout, undefined, 0);

  it('takes the first step above the percentage in force', () => {
    expect(from('gradual_rollout', 0)).toMatchObject({ action: 'advance', position: 0, percentage: 10 });
    expect(from('gradual_rollout', 11)).toMatchObject({ action: 'advance', position: 1, percentage: 50 });
    expect(from('internal_beta', 80)).toMatchObject({ action: 'advance', position: 0, percentage: 10 });
    expect(from('off', 100)).toMatchObject({ action: 'advance', position: 0, percentage: 10 });
  });

  it('adopts a step that is in force already', () => {
    expect(from('gradual_rollout', 50)).toMatchObject({ action: 'adopt', position: 1 });
  });

  it('never lowers the percentage', () => {
    const plan = aPlan({ position: null, base: { phase: 'gradual_rollout', percentage: 60 } });
    const steps = plan.steps.slice(0, 2);
    expect(decide({ ...plan, steps }, rollout, undefined, 0)).toMatchObject({
      action: 'finish',
      why: 'the rollout is at 60 per cent already',
    });
  });
});

describe('a running plan', () => {
  it('advances when the soak time is over, and not before', () => {
    expect(decide(aPlan(), rollout, good, SOAKED - 1)).toEqual({
      action: 'wait',
      why: '10 per cent are watched for another 1 s',
    });
    expect(decide(aPlan(), rollout, good, SOAKED)).toMatchObject({
      action: 'advance',
      position: 1,
      percentage: 50,
    });
    expect(decide(aPlan({ position: 2 }), rollout, good, SOAKED)).toMatchObject({ action: 'finish' });
  });

  it('holds while either scheme has too few requests', () => {
    for (const thin of [
      evidenceOf({ requests: 999, errors: 1 }),
      evidenceOf({}, { requests: 999, errors: 1 }),
    ]) {
      const decision = decide(aPlan(), rollout, thin, 10 * SOAKED);
      expect(decision).toMatchObject({ action: 'hold', why: expect.stringContaining('too little') });
    }
    const everybody = evidenceOf({}, { requests: 0, errors: 0, users: 0 });
    expect(decide(aPlan({ position: 2 }), rollout, everybody, SOAKED)).toMatchObject({ action: 'finish' });
  });

  it('rolls back to the previous step as soon as tokens are worse, and says by how much', () => {
    const bad = evidenceOf({ errors: 900 });
    expect(decide(aPlan({ position: 1 }), rollout, bad, 1)).toEqual({
      action: 'roll_back',
      to: { phase: 'gradual_rollout', percentage: 10 },
      why: expect.stringContaining('900 of 10000 (9.00 per cent) with tokens, 10 of 10000 (0.10 per cent)'),
    });
    expect(decide(aPlan(), rollout, bad, SOAKED)).toMatchObject({
      to: { phase: 'gradual_rollout', percentage: 0 },
    });
  });

  it('rolls back to its start if that is nearer than the previous step', () => {
    const bad = evidenceOf({ errors: 900 });
    const of = (base: PlanBase, position: number) => decide(aPlan({ base, position }), rollout, bad, 1);
    const beta = { phase: 'internal_beta', percentage: 30 } as const;
    expect(of(beta, 0)).toMatchObject({ to: beta });
    expect(of(beta, 1)).toMatchObject({ to: { phase: 'gradual_rollout', percentage: 10 } });
    const between = { phase: 'gradual_rollout', percentage: 20 } as const;
    expect(of(between, 1)).toMatchObject({ to: between });
    const there = { phase: 'gradual_rollout', percentage: 10 } as const;
    expect(of(there, 0)).toMatchObject({ to: { phase: 'gradual_rollout', percentage: 0 } });
  });

  it('uses a stricter level for a later evaluation', () => {
    const doubtful = evidenceOf({ errors: 35 });
    expect(decide(aPlan({ evaluations: 0 }), rollout, doubtful, 1).action).toBe('roll_back');
    expect(decide(aPlan({ evaluations: 1_000 }), rollout, doubtful, 1).action).toBe('wait');
  });
});

describe('a plan that must not act', () => {
  it('pauses when somebody else has changed the rollout', () => {
    expect(decide(aPlan(), { ...rollout, version: 8 }, good, SOAKED)).toEqual({
      action: 'pause',
      why: 'the rollout has been changed by hand',
    });
  });

  it('pauses when the rollout has left the gradual phase', () => {
    for (const state of [
      { ...rollout, phase: 'deprecation_notice' as const },
      { ...rollout, sunsetAt: SOAKED },
    ]) {
      expect(decide(aPlan(), state, good, SOAKED)).toMatchObject({ action: 'pause' });
    }
  });

  it.each(['off', 'finished', 'rolled_back', 'paused'] as const)('does nothing in the state %s', (state) => {
    const bad = evidenceOf({ errors: 900 });
    expect(decide(aPlan({ state, why: 'so' }), rollout, bad, SOAKED)).toEqual({ action: 'none', why: 'so' });
  });
});
