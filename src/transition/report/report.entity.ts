import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The two schemes that the report compares. */
export const SCHEMES = ['bearer', 'session'] as const;

export type Scheme = (typeof SCHEMES)[number];

// Copied for each column, because TypeORM modifies the options.
const BUCKET_KEY = { primaryKeyConstraintName: 'report_buckets_pkey' };
const USE_KEY = { primaryKeyConstraintName: 'scheme_uses_pkey' };
const LOGOUT_KEY = { primaryKeyConstraintName: 'unexpected_logouts_pkey' };

/**
 * `latency`: `key` is a bin of the histogram; the sum of all bins is the number of requests. `error`: `key` is the code of the problem.
 * `proved` and `proved_error` (names from an earlier release) count the requests that are evidence for the autopilot: requests of
 * verified principals, and their errors by code. `refused` counts requests by session that were refused because of a setting; `key` is
 * the likely cause.
 */
export type CountKind = 'latency' | 'error' | 'proved' | 'proved_error' | 'refused';

/** A sum over an interval and all nodes. Old intervals are merged into longer ones. */
@Entity('report_buckets')
@Check('report_buckets_scheme_check', `scheme IN ('bearer', 'session')`)
@Check('report_buckets_kind_check', `kind IN ('latency', 'error', 'proved', 'proved_error', 'refused')`)
export class ReportBucket {
  /** The length of the interval in seconds. */
  @PrimaryColumn('integer', { ...BUCKET_KEY })
  span!: number;

  /** The start of the interval on the database's clock; a multiple of {@link span} since the epoch. */
  @PrimaryColumn('timestamptz', { ...BUCKET_KEY })
  at!: Date;

  @PrimaryColumn('text', { ...BUCKET_KEY })
  scheme!: Scheme;

  @PrimaryColumn('text', { ...BUCKET_KEY })
  kind!: CountKind;

  @PrimaryColumn('text', { ...BUCKET_KEY })
  key!: string;

  @Column('bigint')
  n!: string;
}

/** The last batch that a node has written. It keeps a batch from being added twice if the answer was lost. */
@Entity('report_nodes')
export class ReportNode {
  /** Identifies the process. A restart makes a new one. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'report_nodes_pkey' })
  node!: string;

  @Column('integer')
  seq!: number;

  @Column('timestamptz')
  at!: Date;
}

/**
 * A user used a scheme in an interval, and for sessions with which user agent. The user counts in each window that contains `firstAt` or
 * `lastAt`.
 */
@Entity('scheme_uses')
@Index('scheme_uses_session_user_idx', ['userId'], { where: `scheme = 'session'` })
@Check('scheme_uses_scheme_check', `scheme IN ('bearer', 'session')`)
export class SchemeUse {
  /** The length of the interval in seconds. */
  @PrimaryColumn('integer', { ...USE_KEY })
  span!: number;

  /** The start of the interval on the database's clock; a multiple of {@link span} since the epoch. */
  @PrimaryColumn('timestamptz', { ...USE_KEY })
  at!: Date;

  @PrimaryColumn('text', { ...USE_KEY })
  scheme!: Scheme;

  /** The user. There is no foreign key, because one deleted user must not make the batch of a whole node fail. */
  @PrimaryColumn('uuid', { ...USE_KEY, name: 'user_id' })
  userId!: string;

  /** Empty for `bearer`. */
  @PrimaryColumn('text', { ...USE_KEY, name: 'user_agent' })
  userAgent!: string;

  /** 0 for `bearer`: for tokens only the user is stored. */
  @Column('integer')
  requests!: number;

  @Column('timestamptz', { name: 'first_at' })
  firstAt!: Date;

  @Column('timestamptz', { name: 'last_at' })
  lastAt!: Date;

  /**
   * The last use of a session that had not been exchanged for tokens; `-infinity` if there was none. Null: an earlier release wrote the
   * row and did not know. Then every use may be one.
   */
  @Column('timestamptz', { name: 'unlinked_at', nullable: true })
  unlinkedAt!: Date | null;
}

/** A family or session that was refused although nobody revoked it. One row each, for any number of refusals. */
@Entity('unexpected_logouts')
@Check('unexpected_logouts_scheme_check', `scheme IN ('bearer', 'session')`)
export class UnexpectedLogout {
  @PrimaryColumn('text', { ...LOGOUT_KEY })
  scheme!: Scheme;

  /** The id of the family, or the SHA-256 of the session's id. It gives nobody access. */
  @PrimaryColumn('text', { ...LOGOUT_KEY })
  subject!: string;

  @Column('text')
  cause!: string;

  @Column('uuid', { name: 'user_id', nullable: true })
  userId!: string | null;

  @Index('unexpected_logouts_at_idx')
  @Column('timestamptz')
  at!: Date;
}
