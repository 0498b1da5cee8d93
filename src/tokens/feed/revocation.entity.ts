import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/**
 * One revocation, as nodes read it from the feed. `xid` is the transaction that wrote it. A reader takes every row that was not
 * visible to its last poll, so it misses no row if transactions commit out of order.
 */
@Entity('revocations')
@Index('revocations_xid_idx', ['xid', 'seq'])
@Check('revocations_kind_check', `kind IN ('sid', 'user')`)
export class Revocation {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'revocations_pkey',
  })
  seq!: string;

  @Column('bigint')
  xid!: string;

  /** `sid`: every token of the family. `user`: the user's tokens whose `jti` carries an epoch below {@link epoch}. */
  @Column('text')
  kind!: 'sid' | 'user';

  @Column('uuid')
  subject!: string;

  @Column('integer', { nullable: true })
  epoch!: number | null;

  /** Null if an earlier release wrote it. */
  @Column('timestamptz', { name: 'written_at', nullable: true, default: () => 'clock_timestamp()' })
  writtenAt!: Date | null;

  /** When the revocation can be forgotten: every access token that it concerns has expired by then. */
  @Index('revocations_expires_at_idx')
  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date;
}
