import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** What all nodes of one installation agree on. One row. */
@Entity('service_state')
@Check('service_state_one_row', 'id = 1')
export class ServiceState {
  @PrimaryColumn('smallint', { default: 1, primaryKeyConstraintName: 'service_state_pkey' })
  id!: number;

  /** Drawn once for each installation, so that a node notices when its connections lead to another one's database. */
  @Column('uuid')
  incarnation!: string;

  /** `iss` where JWT_ISSUER is not set: the first node's URL. */
  @Column('text', { nullable: true })
  issuer!: string | null;

  /** Tells whether a node has the JWT_SECRET that the stored keys are encrypted with. */
  @Column('text', { name: 'secret_fingerprint', nullable: true })
  secretFingerprint!: string | null;

  /** The longest TOKEN_EXPIRY that any node ever had, in seconds: how long a revocation has to be remembered. */
  @Column('integer', { name: 'max_token_expiry', default: 0 })
  maxTokenExpiry!: number;

  /** The greatest TOKEN_EXPIRY that any node ever had, in seconds: no token of ours lives longer. */
  @Column('integer', { name: 'token_expiry', nullable: true })
  tokenExpiry!: number | null;

  /** MACs over `issuer` and `token_expiry`, by the column; see `common/row-macs.ts`. */
  @Column('jsonb', { default: {} })
  macs!: Record<string, Record<string, string>>;

  /** No failed login is answered sooner, in milliseconds: above the dearest hash that was imported. */
  @Column('integer', { name: 'failure_floor', default: 0 })
  failureFloor!: number;

  /** Grows when a node that follows must read something again: topic to version. */
  @Column('jsonb', { default: {} })
  versions!: Record<string, number>;

  /** The last proxy that a node saw and TRUST_PROXY does not name: its address, the header that showed it, and when. */
  @Column('jsonb', { name: 'untrusted_proxy', nullable: true })
  untrustedProxy!: object | null;
}
