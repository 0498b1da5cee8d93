import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

/**
 * What this service knows of a session. Another application may write and delete the session's row; this row stays. It holds the linked
 * family, the family that was downgraded to the session, and the revocation. An earlier release called the link the "fate" of a session
 * and a revocation its "end": the table and its columns keep these names.
 */
@Entity('session_fates')
@Index('session_fates_lost_idx', ['sid'], { where: 'row_expired = false AND ended_at IS NULL' })
@Unique('session_fates_family_id_unique', ['familyId'])
@Unique('session_fates_downgraded_id_unique', ['downgradedId'])
export class SessionLink {
  @PrimaryColumn('varchar', { primaryKeyConstraintName: 'session_fates_pkey' })
  sid!: string;

  /**
   * The user of the session when this row was written. Without a foreign key: a revocation outlives its user, so that a session which the
   * product writes back does not become one of a later user with the same external id.
   */
  @Index('session_fates_user_id_idx')
  @Column('uuid', { name: 'user_id' })
  userId!: string;

  /** The linked family, which the session was exchanged for. A session is exchanged once. */
  @Column('uuid', { name: 'family_id', nullable: true })
  familyId!: string | null;

  /** The family that was downgraded to the session. */
  @Column('uuid', { name: 'downgraded_id', nullable: true })
  downgradedId!: string | null;

  /** The generation of the refresh token that was presented at the downgrade. */
  @Column('integer', { name: 'spent_generation', nullable: true })
  spentGeneration!: number | null;

  /** When a downgraded session was first used: its client received it. */
  @Column('timestamptz', { name: 'seen_at', nullable: true })
  seenAt!: Date | null;

  /** When the session ends at the latest, however often it is used. */
  @Column('timestamptz', { name: 'ends_at', nullable: true })
  endsAt!: Date | null;

  /** When the session was revoked for good. Later writes to the session's row change nothing. */
  @Index('session_fates_ended_at_idx', { where: 'ended_at IS NOT NULL' })
  @Column('timestamptz', { name: 'ended_at', nullable: true })
  endedAt!: Date | null;

  /** Proves that this service began the session for the user: MACs over both; null for a session that the product began. */
  @Column('jsonb', { name: 'begun_macs', nullable: true })
  begunMacs!: object | null;

  /** Whether the session's row had expired when another application deleted it; null while the row exists. */
  @Column('boolean', { name: 'row_expired', nullable: true })
  rowExpired!: boolean | null;
}
