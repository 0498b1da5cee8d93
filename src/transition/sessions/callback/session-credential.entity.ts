import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** What Tandem needs to ask the product about a session, or to end it there. Encrypted, as it may be all that a thief needs. */
@Entity('session_credentials')
export class SessionCredential {
  @PrimaryColumn('varchar', { primaryKeyConstraintName: 'session_credentials_pkey' })
  sid!: string;

  /** The session's id in the product, the value of its cookie, and the Set-Cookie lines of a downgrade. */
  @Column('bytea')
  sealed!: Buffer;

  @Index('session_credentials_seen_at_idx')
  @Column('timestamptz', { name: 'seen_at', default: () => 'now()' })
  seenAt!: Date;
}
