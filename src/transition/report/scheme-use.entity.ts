import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { Scheme } from './scheme.js';

// Copied for each column: TypeORM writes into it.
const KEY = { primaryKeyConstraintName: 'scheme_uses_pkey' };

/**
 * That a user came in by a scheme in a stretch of time, and for sessions with which user agent. A user is in any window
 * that `firstAt` or `lastAt` lies in.
 */
@Entity('scheme_uses')
@Index('scheme_uses_session_user_idx', ['userId'], { where: `scheme = 'session'` })
@Check('scheme_uses_scheme_check', `scheme IN ('bearer', 'session')`)
export class SchemeUse {
  /** Seconds that the stretch lasts. */
  @PrimaryColumn('integer', { ...KEY })
  span!: number;

  /** The beginning of the stretch, on the database's clock; a multiple of {@link span} since the epoch. */
  @PrimaryColumn('timestamptz', { ...KEY })
  at!: Date;

  @PrimaryColumn('text', { ...KEY })
  scheme!: Scheme;

  /** No foreign key: a batch of a whole node must not fail for one user who is gone. */
  @PrimaryColumn('uuid', { ...KEY, name: 'user_id' })
  userId!: string;

  /** Empty for `bearer`. */
  @PrimaryColumn('text', { ...KEY, name: 'user_agent' })
  userAgent!: string;

  /** 0 for `bearer`: there only who came in is kept. */
  @Column('integer')
  requests!: number;

  @Column('timestamptz', { name: 'first_at' })
  firstAt!: Date;

  @Column('timestamptz', { name: 'last_at' })
  lastAt!: Date;
}
