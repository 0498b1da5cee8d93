import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When the password of a token family was proved last. Null, also for existing families: it is not known. */
export class PasswordProofs1797000510000 implements MigrationInterface {
  name = 'PasswordProofs1797000510000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE refresh_tokens ADD COLUMN password_at timestamptz`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE refresh_tokens DROP COLUMN password_at`);
  }
}
