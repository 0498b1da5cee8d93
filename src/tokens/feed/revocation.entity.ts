import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/**
 * One line of the feed that nodes follow. `xid` is the writing transaction: a reader takes everything from the oldest
 * transaction that was still running when it last looked, so that rows which commit out of order are not missed.
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

  /** `sid`: every token of that login. `user`: the user's tokens whose `jti` carries an epoch below {@link epoch}. */
  @Column('text')
  kind!: 'sid' | 'user';

  @Column('uuid')
  subject!: string;

  @Column('integer', { nullable: true })
  epoch!: number | null;

  /** Past it every access token that the revocation concerns has expired. */
  @Index('revocations_expires_at_idx')
  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date;
}
