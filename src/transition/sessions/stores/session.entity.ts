import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The comment on a table of sessions that Tandem has made. Migrations write it. */
export const OWN_TABLE_COMMENT = 'made by tandem';

/**
 * The table of sessions that Tandem makes if the product has none. It has the form of connect-pg-simple.
 */
@Entity({ name: 'session', comment: OWN_TABLE_COMMENT })
export class Session {
  @PrimaryColumn('varchar', { primaryKeyConstraintName: 'session_pkey' })
  sid!: string;

  /** The session as express-session serialises it. The user is at SESSION_USER_KEY. */
  @Column('json')
  sess!: Record<string, unknown>;

  /**
   * When the session expires. The type has no time zone: PostgreSQL uses the one of the connection, so no connection may set another one.
   */
  @Index('IDX_session_expire')
  @Column('timestamp', { precision: 6 })
  expire!: Date;
}
