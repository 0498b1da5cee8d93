import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Proof of what the audit trail held in a range of ids. Each seal carries the hash of the one before. */
@Entity('audit_seals')
@Index('audit_seals_refusals_idx', ['lastId'], { where: 'refusals > 0' })
export class AuditSeal {
  /** One more than that of the seal before. */
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'audit_seals_pkey' })
  id!: string;

  /** Follows the last id of the seal before, whether or not there is such an event. */
  @Column('bigint', { name: 'first_id' })
  firstId!: string;

  @Column('bigint', { name: 'last_id' })
  lastId!: string;

  /** Events in the range. */
  @Column('integer')
  count!: number;

  @Column('timestamptz', { name: 'sealed_at' })
  sealedAt!: Date;

  @Column('bytea')
  previous!: Buffer;

  /** SHA-256 over this row's numbers, `previous` and the events. */
  @Column('bytea')
  hash!: Buffer;

  /** HMAC over `hash` and this row's numbers, by a key derived from JWT_SECRET. */
  @Column('bytea')
  mac!: Buffer;

  /** Which key, without saying anything of it. */
  @Column('text')
  key!: string;

  /** How many of the events are refusals. Null in seals of earlier releases, whose `hash` covers refusals like other events. */
  @Column('integer', { nullable: true })
  refusals!: number | null;

  /** SHA-256 over the refusals; `hash` covers it. */
  @Column('bytea', { name: 'refusals_hash', nullable: true })
  refusalsHash!: Buffer | null;

  /** While JWT_SECRET is being changed: the same as `mac` and `key` by the previous secret. */
  @Column('bytea', { name: 'second_mac', nullable: true })
  secondMac!: Buffer | null;

  @Column('text', { name: 'second_key', nullable: true })
  secondKey!: string | null;

  /** Set once retention has removed the events: an HMAC that nobody else can make. */
  @Column('bytea', { name: 'removed_mac', nullable: true })
  removedMac!: Buffer | null;

  @Column('text', { name: 'removed_key', nullable: true })
  removedKey!: string | null;
}
