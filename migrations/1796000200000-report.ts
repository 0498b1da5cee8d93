import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Figures that compare sessions with tokens, and who still uses sessions. */
export class Report1796000200000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE report_buckets (
        span integer NOT NULL,
        at timestamptz NOT NULL,
        scheme text NOT NULL,
        kind text NOT NULL,
        key text NOT NULL,
        n bigint NOT NULL,
        CONSTRAINT report_buckets_pkey PRIMARY KEY (span, at, scheme, kind, key),
        CONSTRAINT report_buckets_scheme_check CHECK (scheme IN ('bearer', 'session')),
        CONSTRAINT report_buckets_kind_check CHECK (kind IN ('latency', 'error'))
      ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)`);
    await queryRunner.query(`
      CREATE TABLE scheme_uses (
        span integer NOT NULL,
        at timestamptz NOT NULL,
        scheme text NOT NULL,
        user_id uuid NOT NULL,
        user_agent text NOT NULL,
        requests integer NOT NULL,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        CONSTRAINT scheme_uses_pkey PRIMARY KEY (span, at, scheme, user_id, user_agent),
        CONSTRAINT scheme_uses_scheme_check CHECK (scheme IN ('bearer', 'session'))
      ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)`);
    await queryRunner.query(
      `CREATE INDEX scheme_uses_session_user_idx ON scheme_uses (user_id) WHERE scheme = 'session'`,
    );
    await queryRunner.query(`
      CREATE TABLE unexpected_logouts (
        scheme text NOT NULL,
        subject text NOT NULL,
        cause text NOT NULL,
        user_id uuid,
        at timestamptz NOT NULL,
        CONSTRAINT unexpected_logouts_pkey PRIMARY KEY (scheme, subject),
        CONSTRAINT unexpected_logouts_scheme_check CHECK (scheme IN ('bearer', 'session'))
      )`);
    await queryRunner.query(`CREATE INDEX unexpected_logouts_at_idx ON unexpected_logouts (at)`);
    await queryRunner.query(`
      CREATE TABLE report_nodes (
        node uuid NOT NULL,
        seq integer NOT NULL,
        at timestamptz NOT NULL,
        CONSTRAINT report_nodes_pkey PRIMARY KEY (node)
      )`);
    // To find a family whose row is missing.
    await queryRunner.query(
      `CREATE INDEX audit_events_began_idx ON audit_events (sid) WHERE event IN ('login', 'exchange')`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX audit_events_began_idx`);
    await queryRunner.query(`DROP TABLE report_nodes`);
    await queryRunner.query(`DROP TABLE unexpected_logouts`);
    await queryRunner.query(`DROP TABLE scheme_uses`);
    await queryRunner.query(`DROP TABLE report_buckets`);
  }
}
