import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * MACs over the rows that the service trusts, to tell its own rows from rows that somebody else wrote. Existing rows get their MACs at the
 * first start, because a migration does not know JWT_SECRET.
 */
export class RowMacs1796001000000 implements MigrationInterface {
  name = 'RowMacs1796001000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE signing_keys ADD COLUMN macs jsonb`);
    await queryRunner.query(`ALTER TABLE oauth_clients ADD COLUMN macs jsonb`);
    await queryRunner.query(`
      ALTER TABLE service_state
        ADD COLUMN token_expiry integer,
        ADD COLUMN macs jsonb NOT NULL DEFAULT '{}'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE service_state DROP COLUMN token_expiry, DROP COLUMN macs`);
    await queryRunner.query(`ALTER TABLE oauth_clients DROP COLUMN macs`);
    await queryRunner.query(`ALTER TABLE signing_keys DROP COLUMN macs`);
  }
}
