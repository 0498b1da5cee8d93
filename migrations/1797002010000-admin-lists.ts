import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * For the lists of administrators: who revoked a token family and what they wrote about it (null, also for families that were revoked before:
 * it is not known), and the few users who are disabled.
 */
export class AdminLists1797002010000 implements MigrationInterface {
  name = 'AdminLists1797002010000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `ALTER TABLE refresh_tokens ADD COLUMN revoked_by uuid, ADD COLUMN revoke_note text`,
    );
    await queryRunner.query(
      `CREATE INDEX users_disabled_idx ON users (username_key) WHERE disabled_at IS NOT NULL`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX users_disabled_idx`);
    await queryRunner.query(`ALTER TABLE refresh_tokens DROP COLUMN revoke_note, DROP COLUMN revoked_by`);
  }
}
