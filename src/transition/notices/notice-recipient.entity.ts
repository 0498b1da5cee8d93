import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { Relation } from 'typeorm';
import { DeprecationNotice } from './deprecation-notice.entity.js';

/**
 * How far one mail has got. `sending`: a node has it, and the server cannot have accepted it yet; `handed_over`: the server may have;
 * `sent` and `failed` are for good.
 */
export type RecipientState = 'queued' | 'sending' | 'handed_over' | 'sent' | 'failed';

/** One mail of a notice: to a user, once. */
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

  /** Of the last use of a session. */
  @Column('text', { name: 'user_agent' })
  userAgent!: string;

  @Column('timestamptz', { name: 'last_seen' })
  lastSeen!: Date;

  @Column('text', { default: 'queued' })
  state!: RecipientState;

  /** How often a server has been asked to take it. */
  @Column('integer', { default: 0 })
  attempts!: number;

  /** Not sent before. */
  @Column('timestamptz', { name: 'due_at', default: () => 'now()' })
  dueAt!: Date;

  @Column('timestamptz', { name: 'claimed_at', nullable: true })
  claimedAt!: Date | null;

  /** The database session that has it: when that is over, so is the claim. */
  @Column('integer', { name: 'session_pid', nullable: true })
  sessionPid!: number | null;

  @Column('timestamptz', { name: 'session_started_at', nullable: true })
  sessionStartedAt!: Date | null;

  @Column('timestamptz', { name: 'settled_at', nullable: true })
  settledAt!: Date | null;

  /** False: sent, as far as anybody knows; the server's answer was lost. */
  @Column('boolean', { default: true })
  confirmed!: boolean;

  /** What the server said last, if it did not accept: `550`. */
  @Column('text', { nullable: true })
  reply!: string | null;
}
