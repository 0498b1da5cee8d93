import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ClientScope } from '../auth/client-scopes.js';

/** A service client: another service, with what it may do. */
@Entity('oauth_clients')
export class OAuthClient {
  /** The `client_id`. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'oauth_clients_pkey' })
  id!: string;

  /** The name that people see. */
  @Column('text')
  name!: string;

  /** SHA-256 of the secret. A secret of 256 random bits needs no slow hash. */
  @Column('bytea', { name: 'secret_hash' })
  secretHash!: Buffer;

  /** What the client may do, in the order of `CLIENT_SCOPES`. */
  @Column('text', { array: true, default: ['introspect', 'revoke'] })
  scopes!: ClientScope[];

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  /** When the secret was last renewed. */
  @Column('timestamptz', { name: 'secret_at', default: () => 'now()' })
  secretAt!: Date;

  @Column('timestamptz', { name: 'disabled_at', nullable: true })
  disabledAt!: Date | null;

  /** MACs over what the client may do, by the secrets; see `common/crypto/row-macs.ts`. Null in rows of earlier releases. */
  @Column('jsonb', { nullable: true })
  macs!: unknown;
}
