import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * The table of connect-pg-simple, as it makes it: a product that keeps its sessions there goes on doing so. The comment is on the
 * table only if the migration made it.
 */
@Entity({ name: 'session', comment: 'made by tandem' })
export class Session {
  @PrimaryColumn('varchar', { primaryKeyConstraintName: 'session_pkey' })
  sid!: string;

  /** As express-session serialises it; the user is at SESSION_USER_KEY. */
  @Column('json')
  sess!: Record<string, unknown>;

  /** Without a time zone: in that of the connection which writes or reads it, so nobody may set one. */
  @Index('IDX_session_expire')
  @Column('timestamp', { precision: 6 })
  expire!: Date;
}
