import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** The state that all nodes of one installation share. One row. */
@Entity('service_state')
@Check('service_state_one_row', 'id = 1')
export class ServiceState {
  @PrimaryColumn('smallint', { default: 1, primaryKeyConstraintName: 'service_state_pkey' })
  id!: number;

  /** Random, once per installation. So a node notices if a connection leads to the database of another installation. */
  @Column('uuid')
  incarnation!: string;

  /** `iss` if JWT_ISSUER is not set: the URL of the first node. */
  @Column('text', { nullable: true })
  issuer!: string | null;

  /** Shows whether a node has the JWT_SECRET that the stored keys are encrypted with. */
  @Column('text', { name: 'secret_fingerprint', nullable: true })
  secretFingerprint!: string | null;

  /** The greatest token lifetime that any node ever had, with the clock tolerance, in seconds. A revocation is kept this long. */
  @Column('integer', { name: 'max_token_expiry', default: 0 })
  maxTokenExpiry!: number;

  /** The greatest TOKEN_EXPIRY that any node ever had, in seconds. No token of ours lives longer. */
  @Column('integer', { name: 'token_expiry', nullable: true })
  tokenExpiry!: number | null;

  /** The role of administrators: ADMIN_ROLE at the first start. */
  @Column('text', { name: 'admin_role', nullable: true })
  adminRole!: string | null;

  /** The last time that the product wanted to make an administrator without permission: through which channel, and when. */
  @Column('jsonb', { name: 'refused_admins', nullable: true })
  refusedAdmins!: object | null;

  /** MACs over `issuer`, `token_expiry` and `admin_role`, by the column; see `common/crypto/row-macs.ts`. */
  @Column('jsonb', { default: {} })
  macs!: Record<string, Record<string, string>>;

  /** The minimum duration of a failed login in milliseconds: above that of the most expensive imported hash. */
  @Column('integer', { name: 'failure_floor', default: 0 })
  failureFloor!: number;

  /** Topic to version. A version increases when the subscribers of the topic must read again. */
  @Column('jsonb', { default: {} })
  versions!: Record<string, number>;

  /** The last proxy that a node saw outside TRUST_PROXY: its address, the header that revealed it, and the time. */
  @Column('jsonb', { name: 'untrusted_proxy', nullable: true })
  untrustedProxy!: object | null;
}
