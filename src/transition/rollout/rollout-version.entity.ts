import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { Relation } from 'typeorm';
import type { Role } from '../../common/role.js';
import type { Phase } from './rollout-state.js';

/** A current or earlier state of the rollout. Rows are only added; the one with the highest version is current. */
@Entity('rollout_versions')
@Check(
  'rollout_versions_phase_check',
  `phase IN ('off', 'internal_beta', 'gradual_rollout', 'deprecation_notice', 'sessions_removed')`,
)
@Check('rollout_versions_percentage_check', 'percentage BETWEEN 0 AND 100')
@Check('rollout_versions_parent_check', 'parent < version')
export class RolloutVersion {
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'rollout_versions_pkey' })
  version!: number;

  /** The state that a rollback leads to; null for the first state. */
  @Column('integer', { nullable: true })
  parent!: number | null;

  @ManyToOne(() => RolloutVersion)
  @JoinColumn({ name: 'parent', foreignKeyConstraintName: 'rollout_versions_parent_fkey' })
  parentVersion!: Relation<RolloutVersion> | null;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  at!: Date;

  /** The administrator; null for the command line and for the autopilot. */
  @Column('uuid', { name: 'actor_id', nullable: true })
  actorId!: string | null;

  /** The operating system's name of the user of the command line. */
  @Column('text', { nullable: true })
  operator!: string | null;

  /** A {@link RolloutCause}. */
  @Column('text')
  cause!: string;

  @Column('text')
  phase!: Phase;

  @Column('smallint')
  percentage!: number;

  @Column('text', { array: true })
  roles!: Role[];

  @Column('uuid', { name: 'user_ids', array: true })
  userIds!: string[];

  @Column('boolean')
  drain!: boolean;

  @Column('timestamptz', { name: 'sunset_at', nullable: true })
  sunsetAt!: Date | null;

  /** `[{from, to}]` in milliseconds since the epoch. */
  @Column('jsonb')
  brownouts!: { from: number; to: number }[];
}
