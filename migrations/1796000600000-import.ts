import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The minimum duration of failed logins, for imported hashes that are more expensive than ours. */
export class Import1796000600000 implements MigrationInterface {
  name = 'Import1796000600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE service_state ADD COLUMN failure_floor integer NOT NULL DEFAULT 0`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE service_state DROP COLUMN failure_floor`);
  }
}
