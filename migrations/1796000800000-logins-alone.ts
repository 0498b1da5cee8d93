import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Whether a family is unlinked, so that a refresh need not look for a linked session. Existing families without a linked session get the
 * value without rewriting their rows. New families must set it.
 */
export class LoginsAlone1796000800000 implements MigrationInterface {
  name = 'LoginsAlone1796000800000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE refresh_tokens ADD COLUMN alone boolean NOT NULL DEFAULT true`);
    await queryRunner.query(`
      UPDATE refresh_tokens SET alone = false
      WHERE id IN (SELECT family_id FROM session_fates WHERE family_id IS NOT NULL)`);
    await queryRunner.query(`ALTER TABLE refresh_tokens ALTER COLUMN alone SET DEFAULT false`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE refresh_tokens DROP COLUMN alone`);
  }
}
