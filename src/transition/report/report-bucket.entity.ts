import { Check, Column, Entity, PrimaryColumn } from 'typeorm';
import type { Scheme } from './scheme.js';

// Copied for each column: TypeORM writes into it.
const KEY = { primaryKeyConstraintName: 'report_buckets_pkey' };

/**
 * `error`: `key` is the problem's code. `latency`: `key` is a bin of the histogram; all bins together are the requests. `proved` and
 * `proved_error` count those of them that are evidence for the autopilot: requests by proved principals, and their errors by code.
 */
export type CountKind = 'latency' | 'error' | 'proved' | 'proved_error';

/** A sum over a stretch of time and all nodes. Sums of short stretches are added up to longer ones as they age. */
@Entity('report_buckets')
@Check('report_buckets_scheme_check', `scheme IN ('bearer', 'session')`)
@Check('report_buckets_kind_check', `kind IN ('latency', 'error', 'proved', 'proved_error')`)
export class ReportBucket {
  /** Seconds that the stretch lasts. */
  @PrimaryColumn('integer', { ...KEY })
  span!: number;

  /** The beginning of the stretch, on the database's clock; a multiple of {@link span} since the epoch. */
  @PrimaryColumn('timestamptz', { ...KEY })
  at!: Date;

  @PrimaryColumn('text', { ...KEY })
  scheme!: Scheme;

  @PrimaryColumn('text', { ...KEY })
  kind!: CountKind;

  @PrimaryColumn('text', { ...KEY })
  key!: string;

  @Column('bigint')
  n!: string;
}
