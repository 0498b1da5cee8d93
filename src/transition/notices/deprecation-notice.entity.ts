import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A notice that goes, or went, by mail to those who use sessions. */
@Entity('deprecation_notices')
@Index('deprecation_notices_created_at_idx', ['createdAt', 'id'])
export class DeprecationNotice {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'deprecation_notices_pkey' })
  id!: string;

  @Column('timestamptz', { name: 'created_at', default: () => 'clock_timestamp()' })
  createdAt!: Date;

  @Column('uuid', { name: 'created_by', nullable: true })
  createdBy!: string | null;

  /** Whoever used a session in so many days before. */
  @Column('integer')
  days!: number;

  /** A template, as {@link text}. */
  @Column('text')
  subject!: string;

  @Column('text')
  text!: string;

  /** What the rollout said then. */
  @Column('timestamptz', { name: 'sunset_at', nullable: true })
  sunsetAt!: Date | null;

  /** When nothing was left to be sent. */
  @Column('timestamptz', { name: 'finished_at', nullable: true })
  finishedAt!: Date | null;
}
