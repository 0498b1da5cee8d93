import { Check, Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

export type Role = 'user' | 'admin';

@Entity('users')
@Unique('users_username_key_unique', ['usernameKey'])
@Unique('users_external_id_unique', ['externalId'])
@Index('users_admins_idx', ['id'], { where: `role = 'admin'` })
@Check('users_role_check', `role IN ('user', 'admin')`)
export class User {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'users_pkey' })
  id!: string;

  /** As its owner writes it; compared by {@link usernameKey}. */
  @Column('text')
  username!: string;

  @Column('text', { name: 'username_key' })
  usernameKey!: string;

  /** A PHC string; null for an account without a password. */
  @Column('text', { name: 'password_hash', nullable: true })
  passwordHash!: string | null;

  @Column('text', { default: 'user' })
  role!: Role;

  @Column('text', { nullable: true })
  email!: string | null;

  /** What the user was called in the system it came from. */
  @Column('text', { name: 'external_id', nullable: true })
  externalId!: string | null;

  /**
   * Grows whenever credentials of before must count no more (password, role, disable, revoke). A login is written only
   * if it has not changed since the password was read; access tokens carry it in their `jti`.
   */
  @Column('integer', { default: 0 })
  epoch!: number;

  @Column('timestamptz', { name: 'disabled_at', nullable: true })
  disabledAt!: Date | null;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;
}
