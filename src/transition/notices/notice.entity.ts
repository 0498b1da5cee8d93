import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { Relation } from 'typeorm';

/** A notice by mail to users who use sessions. */
@Entity('deprecation_notices')
@Index('deprecation_notices_created_at_idx', ['createdAt', 'id'])
export class DeprecationNotice {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'deprecation_notices_pkey' })
  id!: string;

  @Column('timestamptz', { name: 'created_at', default: () => 'clock_timestamp()' })
  createdAt!: Date;

  @Column('uuid', { name: 'created_by', nullable: true })
  createdBy!: string | null;

  /** The notice goes to users who used a session in this number of days before it. */
  @Column('integer')
  days!: number;

  /** A template, like {@link text}. */
  @Column('text')
  subject!: string;

  @Column('text')
  text!: string;

  /** The sunset date when the notice was created. */
  @Column('timestamptz', { name: 'sunset_at', nullable: true })
  sunsetAt!: Date | null;

  /** When the last mail was settled. */
  @Column('timestamptz', { name: 'finished_at', nullable: true })
  finishedAt!: Date | null;
}

/**
 * The state of one mail. `sending`: a node has claimed it, and the server cannot have accepted it yet. `handed_over`: the server may
 * have accepted it. `sent` and `failed` are final.
 */
export type RecipientState = 'queued' | 'sending' | 'handed_over' | 'sent' | 'failed';

/** One mail of a notice, to one user. */
@Entity('notice_recipients')
@Check('notice_recipients_state_check', `state IN ('queued', 'sending', 'handed_over', 'sent', 'failed')`)
@Index('notice_recipients_open_idx', ['dueAt'], { where: `state IN ('queued', 'sending', 'handed_over')` })
export class NoticeRecipient {
  @PrimaryColumn('uuid', { name: 'notice_id', primaryKeyConstraintName: 'notice_recipients_pkey' })
  noticeId!: string;

  @ManyToOne(() => DeprecationNotice, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'notice_id', foreignKeyConstraintName: 'notice_recipients_notice_id_fkey' })
  notice!: Relation<DeprecationNotice>;

  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'notice_recipients_pkey' })
  userId!: string;

  @Column('text')
  username!: string;

  @Column('text')
  email!: string;

  /** The user agent that used a session last. */
  @Column('text', { name: 'user_agent' })
  userAgent!: string;

  @Column('timestamptz', { name: 'last_seen' })
  lastSeen!: Date;

  @Column('text', { default: 'queued' })
  state!: RecipientState;

  /** Attempts to send it. */
  @Column('integer', { default: 0 })
  attempts!: number;

  /** The time before which the mail is not sent. */
  @Column('timestamptz', { name: 'due_at', default: () => 'now()' })
  dueAt!: Date;

  @Column('timestamptz', { name: 'claimed_at', nullable: true })
  claimedAt!: Date | null;

  /** The process id of the PostgreSQL connection that claimed the mail. The claim ends when the connection closes. */
  @Column('integer', { name: 'session_pid', nullable: true })
  sessionPid!: number | null;

  @Column('timestamptz', { name: 'session_started_at', nullable: true })
  sessionStartedAt!: Date | null;

  @Column('timestamptz', { name: 'settled_at', nullable: true })
  settledAt!: Date | null;

  /** False if the server's answer was lost. Such a mail counts as sent. */
  @Column('boolean', { default: true })
  confirmed!: boolean;

  /** The SMTP reply with which the server last refused the mail, such as `550`. */
  @Column('text', { nullable: true })
  reply!: string | null;
}
