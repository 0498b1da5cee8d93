import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The admitted calls of one subject in one bucket that may still lie in the window. Its size does not grow with the limit. */
@Entity('rate_limits')
export class RateLimit {
  /** A digest of bucket and subject, so that no address or name stands here in the clear. */
  @PrimaryColumn('bytea', { primaryKeyConstraintName: 'rate_limits_pkey' })
  key!: Buffer;

  /** When the time slot of each log entry ended, in microseconds since the epoch, ascending. */
  @Column('bigint', { array: true })
  ends!: string[];

  /** How many calls were admitted in each slot. */
  @Column('integer', { array: true })
  hits!: number[];

  /** How many of the calls of the last statement were admitted. */
  @Column('integer')
  admitted!: number;

  /** Nothing here counts any more. In whole minutes, so that its index is seldom touched by a hit. */
  @Index('rate_limits_expires_at_idx')
  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date;
}
