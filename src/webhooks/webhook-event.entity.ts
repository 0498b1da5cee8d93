import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

export type WebhookType = 'user.password_changed' | 'user.changed' | 'user.deleted' | 'login.revoked';

/** The state of the user, or `revoked` for a login. */
export type WebhookState = 'active' | 'disabled' | 'deleted' | 'revoked';

/** An event that the receiver has not acknowledged yet. It is deleted when it is delivered or given up. */
@Entity('webhook_events')
@Index('webhook_events_user_id_idx', ['userId', 'seq'])
@Check(
  'webhook_events_type_check',
  `type IN ('user.password_changed', 'user.changed', 'user.deleted', 'login.revoked')`,
)
@Check('webhook_events_state_check', `state IN ('active', 'disabled', 'deleted', 'revoked')`)
export class WebhookEvent {
  /** The `version` of the event. Of two changes of one user, the later one has the higher number. */
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'webhook_events_pkey',
  })
  seq!: string;

  /** Part of the header `webhook-id`: the same in each attempt. */
  @Column('uuid')
  id!: string;

  @Column('text')
  type!: WebhookType;

  @Column('uuid', { name: 'user_id' })
  userId!: string;

  @Column('text', { name: 'external_id', nullable: true })
  externalId!: string | null;

  /** The family, for `login.revoked`. */
  @Column('uuid', { nullable: true })
  sid!: string | null;

  @Column('text')
  state!: WebhookState;

  /** Why the login was revoked. */
  @Column('text', { nullable: true })
  reason!: string | null;

  /** The names of the fields that `user.changed` is about. */
  @Column('text', { array: true, nullable: true })
  changed!: string[] | null;

  @Column('timestamptz', { name: 'created_at', default: () => 'clock_timestamp()' })
  createdAt!: Date;

  @Column('integer', { default: 0 })
  attempts!: number;

  /** The next attempt. While a node is sending the event: when another node may try. */
  @Index('webhook_events_due_at_idx')
  @Column('timestamptz', { name: 'due_at', default: () => 'clock_timestamp()' })
  dueAt!: Date;

  /** Why the last attempt failed: a status or an error code, nothing that the receiver wrote. */
  @Column('text', { name: 'last_error', nullable: true })
  lastError!: string | null;
}
