import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The versions of the rollout's state. The latest one is in force. */
export class Rollout1796000100000 implements MigrationInterface {
  name = 'Rollout1796000100000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE rollout_versions (
        version integer NOT NULL,
        parent integer,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor_id uuid,
        cause text NOT NULL,
        phase text NOT NULL,
        percentage smallint NOT NULL,
        roles text[] NOT NULL,
        user_ids uuid[] NOT NULL,
        drain boolean NOT NULL,
        sunset_at timestamptz,
        brownouts jsonb NOT NULL,
        CONSTRAINT rollout_versions_pkey PRIMARY KEY (version),
        CONSTRAINT rollout_versions_parent_fkey FOREIGN KEY (parent) REFERENCES rollout_versions (version),
        CONSTRAINT rollout_versions_phase_check CHECK (phase IN
          ('off', 'internal_beta', 'gradual_rollout', 'deprecation_notice', 'sessions_removed')),
        CONSTRAINT rollout_versions_percentage_check CHECK (percentage BETWEEN 0 AND 100),
        CONSTRAINT rollout_versions_parent_check CHECK (parent < version)
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE rollout_versions`);
  }
}
