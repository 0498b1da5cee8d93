import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { JsonWebKey } from 'node:crypto';

/** A key of the ring. Whether it is next, current or previous follows from the times of all keys. */
@Entity('signing_keys')
export class SigningKey {
  /** RFC 7638 thumbprint. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'signing_keys_pkey' })
  kid!: string;

  @Column('jsonb', { name: 'public_jwk' })
  publicJwk!: JsonWebKey;

  /** PKCS#8, encrypted with JWT_SECRET. */
  @Column('text', { name: 'private_pem' })
  privatePem!: string;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  /** When the key starts to sign. It signs until a later key does. */
  @Column('timestamptz', { name: 'promote_at' })
  promoteAt!: Date;

  @Column('timestamptz', { name: 'distrusted_at', nullable: true })
  distrustedAt!: Date | null;

  /** MACs over kid, public key and times, by the secrets; see `common/crypto/row-macs.ts`. Null in rows of earlier releases. */
  @Column('jsonb', { nullable: true })
  macs!: Record<string, string> | null;
}
