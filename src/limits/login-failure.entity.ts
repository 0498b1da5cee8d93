import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Consecutive failed logins of one account name. A successful login removes the row. */
@Entity('login_failures')
export class LoginFailure {
  /** A digest of the name. There may be no such user. */
  @PrimaryColumn('bytea', { primaryKeyConstraintName: 'login_failures_pkey' })
  key!: Buffer;

  @Column('integer')
  failures!: number;

  /** The time before which no password is checked. */
  @Column('timestamptz', { name: 'retry_at' })
  retryAt!: Date;

  @Index('login_failures_expires_at_idx')
  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date;
}
