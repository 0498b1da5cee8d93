import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { Relation } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** How refresh tokens are delivered: in the body of the response, or only in an HttpOnly cookie. */
export type TokenDelivery = 'body' | 'cookie';

/** Why a family was revoked. `reuse`: one of its spent tokens was presented. The families of a deleted user are deleted, too. */
export const REVOCATION_REASONS = [
  'logout',
  'revoke',
  'reuse',
  'password',
  'disable',
  'downgrade',
  'delete',
] as const;

export type RevocationReason = (typeof REVOCATION_REASONS)[number];

/**
 * A token family: what one login on one device owns. Each refresh updates its row in place. No column that a refresh changes has an
 * index, and pages keep free space, so that these updates stay heap-only.
 */
@Entity('refresh_tokens')
@Index('refresh_tokens_created_at_idx', ['createdAt', 'id'])
@Check('refresh_tokens_delivery_check', `delivery IN ('body', 'cookie')`)
export class RefreshToken {
  /** `sid` in access tokens, `id` in the list of the user's devices. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'refresh_tokens_pkey' })
  id!: string;

  @Index('refresh_tokens_user_id_idx')
  @Column('uuid', { name: 'user_id' })
  userId!: string;

  @ManyToOne(() => User, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'refresh_tokens_user_id_fkey' })
  user!: Relation<User>;

  /** 32 random bytes: one half of the MAC key of this family's tokens. The other half is derived from JWT_SECRET. */
  @Column('bytea')
  secret!: Buffer;

  /** A short fingerprint of the JWT_SECRET that the current token was made with. */
  @Column('text', { name: 'mac_key' })
  macKey!: string;

  /** The generation of the current refresh token. */
  @Column('integer', { default: 0 })
  generation!: number;

  /** When the family last rotated. */
  @Column('timestamptz', { name: 'rotated_at', default: () => 'now()' })
  rotatedAt!: Date;

  /**
   * The newest generation that the client is known to have received. -1: delivery is tracked and the client has not yet confirmed the
   * first token.
   */
  @Column('integer', { name: 'confirmed_generation', default: 0 })
  confirmedGeneration!: number;

  @Column('text')
  delivery!: TokenDelivery;

  /** No session is linked to it, so it rotates without asking the revocation hook. The default is safe: ask. */
  // Column name from an earlier release; means "unlinked".
  @Column('boolean', { name: 'alone', default: false })
  unlinked!: boolean;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'last_used_at', default: () => 'now()' })
  lastUsedAt!: Date;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date;

  @Index('refresh_tokens_absolute_expires_at_idx')
  @Column('timestamptz', { name: 'absolute_expires_at' })
  absoluteExpiresAt!: Date;

  /** When this login last proved its password; null if it never did or if it is not known. */
  @Column('timestamptz', { name: 'password_at', nullable: true })
  passwordAt!: Date | null;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null;

  @Column('text', { name: 'revoke_reason', nullable: true })
  revokeReason!: RevocationReason | null;

  /** The administrator or service client that revoked it. Without a foreign key: the user may have been deleted. */
  @Column('uuid', { name: 'revoked_by', nullable: true })
  revokedBy!: string | null;

  /** The note of the administrator who revoked it. */
  @Column('text', { name: 'revoke_note', nullable: true })
  revokeNote!: string | null;

  @Column('text', { nullable: true })
  ip!: string | null;

  @Column('text', { name: 'user_agent', nullable: true })
  userAgent!: string | null;
}
