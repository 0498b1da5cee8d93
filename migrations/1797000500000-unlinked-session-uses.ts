import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When each user last used a session that had not been exchanged for tokens. Notices go to these users only. */
export class UnlinkedSessionUses1797000500000 implements MigrationInterface {
  name = 'UnlinkedSessionUses1797000500000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE scheme_uses ADD COLUMN unlinked_at timestamptz`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE scheme_uses DROP COLUMN unlinked_at`);
  }
}
