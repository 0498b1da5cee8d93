import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { Scheme } from '../scheme.js';

// Copied for each column: TypeORM writes into it.
const KEY = { primaryKeyConstraintName: 'unexpected_logouts_pkey' };

/** A login that was cut off although nobody ended it. Once for each login, however often its client knocks. */
@Entity('unexpected_logouts')
@Check('unexpected_logouts_scheme_check', `scheme IN ('bearer', 'session')`)
export class UnexpectedLogout {
  @PrimaryColumn('text', { ...KEY })
  scheme!: Scheme;

  /** The family of a token, or the SHA-256 of a session's id: nothing that lets anybody in. */
  @PrimaryColumn('text', { ...KEY })
  subject!: string;

  @Column('text')
  cause!: string;

  @Column('uuid', { name: 'user_id', nullable: true })
  userId!: string | null;

  @Index('unexpected_logouts_at_idx')
  @Column('timestamptz')
  at!: Date;
}
