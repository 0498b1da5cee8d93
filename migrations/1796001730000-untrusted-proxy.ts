import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The last proxy that nodes saw and that TRUST_PROXY does not contain. */
export class UntrustedProxy1796001730000 implements MigrationInterface {
  name = 'UntrustedProxy1796001730000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE service_state ADD COLUMN untrusted_proxy jsonb`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE service_state DROP COLUMN untrusted_proxy`);
  }
}
