import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import type { Relation } from 'typeorm';
import type { Macs } from '../../common/crypto/row-macs.js';
import { User } from '../../users/user.entity.js';

/** What the users source last said about a user. Contains no hash of a password. */
@Entity('source_users')
export class SourceUser {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'source_users_pkey' })
  userId!: string;

  @OneToOne(() => User, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'source_users_user_id_fkey' })
  user!: Relation<User>;

  /** MACs over the product's password hash; see `common/crypto/row-macs.ts`. */
  @Column('jsonb', { name: 'password_macs', nullable: true })
  passwordMacs!: Macs | null;

  /** The time as the source wrote it. It is only compared. */
  @Column('text', { name: 'password_changed_at', nullable: true })
  passwordChangedAt!: string | null;

  /** The name in the source. The user's own name differs if somebody else has that name. */
  @Column('text', { nullable: true })
  username!: string | null;

  /** Why the user is disabled: the source had no row, or said so. Null: not by the source. */
  @Column('text', { nullable: true })
  ended!: 'missing' | 'disabled' | null;
}
