import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * For the screen "Nodes and limits": what each node says about itself, which counters of the rate limits are full and whose they are, and
 * when each revocation was written. Revocations from before have no such time.
 */
export class NodesAndLimits1798900000000 implements MigrationInterface {
  name = 'NodesAndLimits1798900000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE service_nodes (
        id uuid NOT NULL,
        host text NOT NULL,
        worker integer,
        workers integer NOT NULL,
        version text NOT NULL,
        started_at timestamptz NOT NULL,
        seen_at timestamptz NOT NULL,
        failing text[] NOT NULL,
        knowledge_age_ms integer,
        propagation_p50_ms integer,
        propagation_p99_ms integer,
        propagation_samples integer NOT NULL,
        CONSTRAINT service_nodes_pkey PRIMARY KEY (id)
      ) WITH (fillfactor = 50)`);
    await queryRunner.query(`
      CREATE TABLE blocked_subjects (
        key bytea NOT NULL,
        scope text NOT NULL,
        owner text NOT NULL,
        user_id uuid,
        address text,
        quota integer NOT NULL,
        window_us bigint NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT blocked_subjects_pkey PRIMARY KEY (key)
      )`);
    await queryRunner.query(`CREATE INDEX blocked_subjects_owner_idx ON blocked_subjects (owner)`);
    await queryRunner.query(`CREATE INDEX blocked_subjects_expires_at_idx ON blocked_subjects (expires_at)`);
    // In two steps, so that the table is not rewritten.
    await queryRunner.query(`ALTER TABLE revocations ADD COLUMN written_at timestamptz`);
    await queryRunner.query(`ALTER TABLE revocations ALTER COLUMN written_at SET DEFAULT clock_timestamp()`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE revocations DROP COLUMN written_at`);
    await queryRunner.query(`DROP TABLE blocked_subjects`);
    await queryRunner.query(`DROP TABLE service_nodes`);
  }
}
