import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the product said last about a user, and users who can be deleted: what Tandem knows of a session outlives the user of the session.
 */
export class UsersOfTheProduct1797000310000 implements MigrationInterface {
  name = 'UsersOfTheProduct1797000310000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE users
        ADD COLUMN IF NOT EXISTS upsert_version bigint,
        ADD COLUMN IF NOT EXISTS upsert_hash_macs jsonb`);
    await queryRunner.query(`ALTER TABLE session_fates DROP CONSTRAINT IF EXISTS session_fates_user_id_fkey`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DELETE FROM session_fates WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = session_fates.user_id)`);
    await queryRunner.query(`
      ALTER TABLE session_fates DROP CONSTRAINT IF EXISTS session_fates_user_id_fkey, ADD CONSTRAINT session_fates_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE`);
    await queryRunner.query(`ALTER TABLE users DROP COLUMN upsert_version, DROP COLUMN upsert_hash_macs`);
  }
}
