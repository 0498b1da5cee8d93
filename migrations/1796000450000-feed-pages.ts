import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Index to read the revocation feed page by page, in the order of transactions and rows. */
export class FeedPages1796000450000 implements MigrationInterface {
  name = 'FeedPages1796000450000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX revocations_xid_idx`);
    await queryRunner.query(`CREATE INDEX revocations_xid_idx ON revocations (xid, seq)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX revocations_xid_idx`);
    await queryRunner.query(`CREATE INDEX revocations_xid_idx ON revocations (xid)`);
  }
}
