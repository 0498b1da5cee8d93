import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Counts of the requests by session that were refused because of a setting. */
export class RefusedSessions1797000610000 implements MigrationInterface {
  name = 'RefusedSessions1797000610000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE report_buckets DROP CONSTRAINT report_buckets_kind_check,
        ADD CONSTRAINT report_buckets_kind_check
          CHECK (kind IN ('latency', 'error', 'proved', 'proved_error', 'refused'))`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DELETE FROM report_buckets WHERE kind = 'refused'`);
    await queryRunner.query(`
      ALTER TABLE report_buckets DROP CONSTRAINT report_buckets_kind_check,
        ADD CONSTRAINT report_buckets_kind_check CHECK (kind IN ('latency', 'error', 'proved', 'proved_error'))`);
  }
}
