import { Check, Column, Entity, PrimaryColumn } from 'typeorm';
import type { PlanBase, PlanState, PlanStep } from './plan.js';

/** The plan of the autopilot, its state, and the node that carries it out. One row. */
@Entity('rollout_plan')
@Check('rollout_plan_one_row', 'id = 1')
@Check('rollout_plan_state_check', `state IN ('off', 'running', 'finished', 'rolled_back', 'paused')`)
export class RolloutPlan {
  @PrimaryColumn('smallint', { default: 1, primaryKeyConstraintName: 'rollout_plan_pkey' })
  id!: number;

  @Column('integer', { default: 0 })
  revision!: number;

  @Column('boolean', { default: false })
  enabled!: boolean;

  @Column('jsonb', { default: [] })
  steps!: PlanStep[];

  @Column('integer', { name: 'min_requests', default: 1000 })
  minRequests!: number;

  @Column('double precision', { name: 'max_false_alarm', default: () => '0.01' })
  maxFalseAlarm!: number;

  @Column('double precision', { default: () => '0.001' })
  tolerance!: number;

  @Column('boolean', { name: 'drain_on_rollback', default: false })
  drainOnRollback!: boolean;

  @Column('text', { default: 'off' })
  state!: PlanState;

  @Column('text', { default: 'no plan has been made' })
  why!: string;

  @Column('integer', { nullable: true })
  position!: number | null;

  @Column('jsonb', { nullable: true })
  base!: PlanBase | null;

  @Column('timestamptz', { nullable: true })
  since!: Date | null;

  // Column name from an earlier release; means "evaluations".
  @Column('integer', { name: 'looks', default: 0 })
  evaluations!: number;

  @Column('integer', { name: 'rollout_version', nullable: true })
  rolloutVersion!: number | null;

  /** The node that carries out the plan until {@link leaseUntil}. */
  @Column('uuid', { name: 'lease_holder', nullable: true })
  leaseHolder!: string | null;

  @Column('timestamptz', { name: 'lease_until', nullable: true })
  leaseUntil!: Date | null;
}
