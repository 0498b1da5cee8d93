import { Check, Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';
import type { Role } from '../common/role.js';

@Entity('users')
@Unique('users_username_key_unique', ['usernameKey'])
@Unique('users_external_id_unique', ['externalId'])
@Index('users_roles_idx', ['role', 'id'], { where: `role <> 'user'` })
@Index('users_disabled_idx', ['usernameKey'], { where: 'disabled_at IS NOT NULL' })
@Check('users_role_check', `role ~ '^[a-z][a-z0-9_-]{0,31}$'`)
export class User {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'users_pkey' })
  id!: string;

  /** The name in the owner's spelling. Names are compared by {@link usernameKey}. */
  @Column('text')
  username!: string;

  @Column('text', { name: 'username_key' })
  usernameKey!: string;

  /** A PHC string; null for an account without a password. */
  @Column('text', { name: 'password_hash', nullable: true })
  passwordHash!: string | null;

  /** A product owns the password. Then {@link passwordHash} is the product's, for one check, and is not stored. */
  passwordIsManaged?: boolean;

  @Column('text', { default: 'user' })
  role!: Role;

  @Column('text', { nullable: true })
  email!: string | null;

  /** The id by which the product knows the user. Compared byte for byte; see `external-id.ts`. */
  @Column('text', { name: 'external_id', nullable: true })
  externalId!: string | null;

  /**
   * The user epoch: it increases when earlier access tokens become invalid (password, role, disable, revoke). A family is opened only
   * if the epoch has not changed since the password was verified. Access tokens carry it in their `jti`.
   */
  @Column('integer', { default: 0 })
  epoch!: number;

  @Column('timestamptz', { name: 'disabled_at', nullable: true })
  disabledAt!: Date | null;

  /** The `version` of the last upsert that had one. */
  @Column('bigint', { name: 'upsert_version', nullable: true })
  upsertVersion!: string | null;

  /** MACs over the password hash that the product stated last. */
  @Column('jsonb', { name: 'upsert_hash_macs', nullable: true })
  upsertHashMacs!: unknown;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;
}
