import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import type { Relation } from 'typeorm';
import { User } from '../../../users/user.entity.js';

/**
 * What is known of a session beyond its row, which another application may write and delete: the login that shares its fate,
 * the login that it replaces, and that it has ended. Stays when the row is gone.
 */
@Entity('session_fates')
@Index('session_fates_lost_idx', ['sid'], { where: 'row_expired = false AND ended_at IS NULL' })
@Unique('session_fates_family_id_unique', ['familyId'])
@Unique('session_fates_downgraded_id_unique', ['downgradedId'])
export class SessionLink {
  @PrimaryColumn('varchar', { primaryKeyConstraintName: 'session_fates_pkey' })
  sid!: string;

  /** Whose session it was when this was written. */
  @Index('session_fates_user_id_idx')
  @Column('uuid', { name: 'user_id' })
  userId!: string;

  @ManyToOne(() => User, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'session_fates_user_id_fkey' })
  user!: Relation<User>;

  /** The login by tokens that it was exchanged for: the only one that it ever gets. */
  @Column('uuid', { name: 'family_id', nullable: true })
  familyId!: string | null;

  /** The login by tokens that was given up for it. */
  @Column('uuid', { name: 'downgraded_id', nullable: true })
  downgradedId!: string | null;

  /** The generation of the refresh token that was presented for it. */
  @Column('integer', { name: 'spent_generation', nullable: true })
  spentGeneration!: number | null;

  /** When a session that replaces a login was used first: its client has it. */
  @Column('timestamptz', { name: 'seen_at', nullable: true })
  seenAt!: Date | null;

  /** It ends then at the latest, however often it is used. */
  @Column('timestamptz', { name: 'ends_at', nullable: true })
  endsAt!: Date | null;

  /** When it ended for good: whatever is written into its row later counts no more. */
  @Index('session_fates_ended_at_idx', { where: 'ended_at IS NOT NULL' })
  @Column('timestamptz', { name: 'ended_at', nullable: true })
  endedAt!: Date | null;

  /** Another application deleted its row: whether it had expired. */
  @Column('boolean', { name: 'row_expired', nullable: true })
  rowExpired!: boolean | null;
}
