import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** A security event. Rows are never changed. */
@Entity('audit_events')
@Index('audit_events_user_id_idx', ['userId', 'id'])
@Index('audit_events_event_idx', ['event', 'id'])
@Index('audit_events_began_idx', ['sid'], { where: `event IN ('login', 'exchange')` })
export class AuditEvent {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'audit_events_pkey',
  })
  id!: string;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  at!: Date;

  @Column('text')
  event!: string;

  /** Why, as a fixed word. Never text from a client. */
  @Column('text', { nullable: true })
  cause!: string | null;

  /** The user whose account the event concerns. */
  @Column('uuid', { name: 'user_id', nullable: true })
  userId!: string | null;

  /** The user who did it, if that is another user. */
  @Column('uuid', { name: 'actor_id', nullable: true })
  actorId!: string | null;

  @Column('uuid', { nullable: true })
  sid!: string | null;

  @Column('text', { nullable: true })
  ip!: string | null;

  @Column('text', { name: 'user_agent', nullable: true })
  userAgent!: string | null;

  @Column('text', { name: 'request_id', nullable: true })
  requestId!: string | null;

  /** How many occurrences the row counts. */
  @Column('integer', { default: 1 })
  count!: number;

  @Column('jsonb', { nullable: true })
  detail!: Record<string, unknown> | null;
}
