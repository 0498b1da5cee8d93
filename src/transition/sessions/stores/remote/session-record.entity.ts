import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * What Tandem has seen of a session that is not in the database: its user, its expiry and the attributes of its cookie. It has the form
 * of a session in the database, so that the same statements apply to both.
 */
@Entity('session_records')
export class SessionRecord {
  @PrimaryColumn('varchar', { primaryKeyConstraintName: 'session_records_pkey' })
  sid!: string;

  /** The session as JSON, reduced to the user, at SESSION_USER_KEY, and the attributes of the cookie. */
  @Column('json')
  sess!: Record<string, unknown>;

  /** When the session expires: never later than its true expiry when it was seen. */
  @Index('session_records_expire_idx')
  @Column('timestamptz')
  expire!: Date;
}

/** A user whose sessions were revoked, until all sessions that Tandem had not seen have been found. */
@Entity('session_searches')
export class SessionSearch {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'session_searches_pkey' })
  userId!: string;

  /** The external id and the id: sessions name their users by one of them. */
  @Column('text', { array: true })
  names!: string[];

  /** Rises with each revocation, so that a search settles only those that came before it. */
  @Column('integer', { default: 1 })
  revision!: number;

  /** When a node began to search; null before. */
  @Column('timestamptz', { name: 'claimed_at', nullable: true })
  claimedAt!: Date | null;
}
