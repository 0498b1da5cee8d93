import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A counter that was full, and whose it is. Whether it still is full, only the counter says. */
@Entity('blocked_subjects')
export class BlockedSubject {
  /** The key of the counter: of a row of `rate_limits` or `login_failures`. */
  @PrimaryColumn('bytea', { primaryKeyConstraintName: 'blocked_subjects_pkey' })
  key!: Buffer;

  /** The bucket, or `failed_logins`. */
  @Column('text')
  scope!: string;

  /** The id by which administrators release it: the id of a user, or a digest of the address or of a name that no user has. */
  @Index('blocked_subjects_owner_idx')
  @Column('text')
  owner!: string;

  @Column('uuid', { name: 'user_id', nullable: true })
  userId!: string | null;

  /** The address or network that the counter counts; for a counter of an account, the address of the call that filled it. */
  @Column('text', { nullable: true })
  address!: string | null;

  /** Calls in the window that fill the counter. */
  @Column('integer')
  quota!: number;

  /** In microseconds. */
  @Column('bigint', { name: 'window_us' })
  windowUs!: string;

  @Index('blocked_subjects_expires_at_idx')
  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date;
}
