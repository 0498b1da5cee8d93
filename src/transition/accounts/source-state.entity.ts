import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** What all nodes know about the users source. One row. */
@Entity('source_state')
@Check('source_state_one_row', 'id = 1')
export class SourceState {
  @PrimaryColumn('smallint', { default: 1, primaryKeyConstraintName: 'source_state_pkey' })
  id!: number;

  /** Since when too many users are missing; null: no alarm. */
  @Column('timestamptz', { name: 'alarm_since', nullable: true })
  alarmSince!: Date | null;

  /** Until then, an operator has confirmed, missing users are really gone. */
  @Column('timestamptz', { name: 'confirmed_until', nullable: true })
  confirmedUntil!: Date | null;

  /** The faults of the source, each with the time when it occurred last, in seconds. */
  @Column('jsonb', { default: {} })
  faults!: Record<string, number>;
}

/** The queries by id of one node in ten seconds, for users that Tandem knows. */
@Entity('source_tallies')
export class SourceTally {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'source_tallies_pkey' })
  node!: string;

  /** The start of the slot: seconds since 1970, divided by ten. */
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'source_tallies_pkey' })
  @Index('source_tallies_slot_idx')
  slot!: string;

  @Column('integer')
  queries!: number;

  @Column('integer')
  missing!: number;
}
