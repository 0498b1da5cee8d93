import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The plan of the autopilot. */
export class RolloutPlan1796000110000 implements MigrationInterface {
  name = 'RolloutPlan1796000110000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE rollout_plan (
        id smallint NOT NULL DEFAULT 1,
        revision integer NOT NULL DEFAULT 0,
        enabled boolean NOT NULL DEFAULT false,
        steps jsonb NOT NULL DEFAULT '[]',
        min_requests integer NOT NULL DEFAULT 1000,
        max_false_alarm double precision NOT NULL DEFAULT 0.01,
        tolerance double precision NOT NULL DEFAULT 0.001,
        drain_on_rollback boolean NOT NULL DEFAULT false,
        state text NOT NULL DEFAULT 'off',
        why text NOT NULL DEFAULT 'no plan has been made',
        position integer,
        base jsonb,
        since timestamptz,
        looks integer NOT NULL DEFAULT 0,
        rollout_version integer,
        lease_holder uuid,
        lease_until timestamptz,
        CONSTRAINT rollout_plan_pkey PRIMARY KEY (id),
        CONSTRAINT rollout_plan_one_row CHECK (id = 1),
        CONSTRAINT rollout_plan_state_check CHECK (state IN
          ('off', 'running', 'finished', 'rolled_back', 'paused'))
      )`);
    await queryRunner.query(`INSERT INTO rollout_plan DEFAULT VALUES`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE rollout_plan`);
  }
}
