import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who changed the rollout on the command line. */
export class RolloutOperator1796001110000 implements MigrationInterface {
  name = 'RolloutOperator1796001110000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE rollout_versions ADD COLUMN operator text`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE rollout_versions DROP COLUMN operator`);
  }
}
