import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The admitted calls of one subject in one bucket that may still be in the window. The size does not grow with the limit. */
@Entity('rate_limits')
export class RateLimit {
  /** A digest of bucket and subject, so that no address or name is stored in plain text. */
  @PrimaryColumn('bytea', { primaryKeyConstraintName: 'rate_limits_pkey' })
  key!: Buffer;

  /** When the time slot of each log entry ended, in microseconds since the epoch, ascending. */
  @Column('bigint', { array: true })
  ends!: string[];

  /** How many calls were admitted in each slot. */
  @Column('integer', { array: true })
  hits!: number[];

  /** How many calls of the last statement were admitted. */
  @Column('integer')
  admitted!: number;

  /** When the row no longer counts. It is in whole minutes, so that a hit rarely changes the index. */
  @Index('rate_limits_expires_at_idx')
  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date;
}
