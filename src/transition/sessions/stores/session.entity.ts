import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * The table of connect-pg-simple, in its own form: a product keeps its sessions there as before. The table has the comment only if the
 * migration made it.
 */
@Entity({ name: 'session', comment: 'made by tandem' })
export class Session {
  @PrimaryColumn('varchar', { primaryKeyConstraintName: 'session_pkey' })
  sid!: string;

  /** As express-session serialises it; the user is at SESSION_USER_KEY. */
  @Column('json')
  sess!: Record<string, unknown>;

  /** Without a time zone: PostgreSQL uses the one of the connection, so no connection may set another one. */
  @Index('IDX_session_expire')
  @Column('timestamp', { precision: 6 })
  expire!: Date;
}
