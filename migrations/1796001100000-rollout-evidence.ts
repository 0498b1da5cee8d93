import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Separate counts for verified principals. Only these are evidence for the autopilot. */
export class RolloutEvidence1796001100000 implements MigrationInterface {
  name = 'RolloutEvidence1796001100000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE report_buckets DROP CONSTRAINT report_buckets_kind_check,
        ADD CONSTRAINT report_buckets_kind_check CHECK (kind IN ('latency', 'error', 'proved', 'proved_error'))`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DELETE FROM report_buckets WHERE kind IN ('proved', 'proved_error')`);
    await queryRunner.query(`
      ALTER TABLE report_buckets DROP CONSTRAINT report_buckets_kind_check,
        ADD CONSTRAINT report_buckets_kind_check CHECK (kind IN ('latency', 'error'))`);
  }
}
