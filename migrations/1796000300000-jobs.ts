import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Drops the schema only if it is ours: a product may have one with the same name. */
const DROP_QUEUE = `
  DO $$
  DECLARE ours boolean := false;
  BEGIN
    IF to_regclass('jobs.queue') IS NOT NULL THEN
      EXECUTE $q$ SELECT EXISTS (SELECT 1 FROM jobs.queue WHERE name = 'deprecation-notices') $q$ INTO ours;
    END IF;
    IF ours THEN DROP SCHEMA jobs CASCADE; END IF;
  END $$`;

/** Earlier releases kept a job queue in the schema `jobs`. Nothing uses it now. v3.0 removes it. */
export class Jobs1796000300000 implements MigrationInterface {
  name = 'Jobs1796000300000';

  async up(): Promise<void> {}

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(DROP_QUEUE);
  }
}
