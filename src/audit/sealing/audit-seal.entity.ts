import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A seal over the events in a range of ids. It shows later changes. Each seal contains the hash of the previous one. */
@Entity('audit_seals')
@Index('audit_seals_refusals_idx', ['lastId'], { where: 'refusals > 0' })
export class AuditSeal {
  /** The id of the previous seal plus one. */
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'audit_seals_pkey' })
  id!: string;

  /** The last id of the previous seal plus one, even if there is no such event. */
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

  /** The name of the key, which reveals nothing about it. */
  @Column('text')
  key!: string;

  /** How many of the events are refusals. Null in seals from earlier releases, whose `hash` covers refusals like other events. */
  @Column('integer', { nullable: true })
  refusals!: number | null;

  /** SHA-256 over the refusals; `hash` covers it. */
  @Column('bytea', { name: 'refusals_hash', nullable: true })
  refusalsHash!: Buffer | null;

  /** While JWT_SECRET is being changed: `mac` and `key` with the previous secret. */
  @Column('bytea', { name: 'second_mac', nullable: true })
  secondMac!: Buffer | null;

  @Column('text', { name: 'second_key', nullable: true })
  secondKey!: string | null;

  /** Set when retention has removed the events: an HMAC that only this service can make. */
  @Column('bytea', { name: 'removed_mac', nullable: true })
  removedMac!: Buffer | null;

  @Column('text', { name: 'removed_key', nullable: true })
  removedKey!: string | null;
}
