import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Indexes for lists of families by age and for the few administrators. Neither slows down a refresh. */
export class Admin1796000400000 implements MigrationInterface {
  name = 'Admin1796000400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE INDEX refresh_tokens_created_at_idx ON refresh_tokens (created_at, id)`);
    await queryRunner.query(`CREATE INDEX users_admins_idx ON users (id) WHERE role = 'admin'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX users_admins_idx`);
    await queryRunner.query(`DROP INDEX refresh_tokens_created_at_idx`);
  }
}
