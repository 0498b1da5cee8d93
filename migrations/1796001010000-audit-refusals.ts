import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Seals hash refusals separately, so that refusals can be removed after seven days and the rest of the range can still be verified. While
 * JWT_SECRET is being changed, a seal has a second MAC for the nodes that have only the other secret.
 */
export class AuditRefusals1796001010000 implements MigrationInterface {
  name = 'AuditRefusals1796001010000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE audit_seals
        ADD COLUMN refusals integer,
        ADD COLUMN refusals_hash bytea,
        ADD COLUMN second_mac bytea,
        ADD COLUMN second_key text`);
    await queryRunner.query(
      `CREATE INDEX audit_seals_refusals_idx ON audit_seals (last_id) WHERE refusals > 0`,
    );
  }

  /** The previous release cannot verify ranges that were sealed after this migration. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX audit_seals_refusals_idx`);
    await queryRunner.query(`
      ALTER TABLE audit_seals
        DROP COLUMN refusals,
        DROP COLUMN refusals_hash,
        DROP COLUMN second_mac,
        DROP COLUMN second_key`);
  }
}
