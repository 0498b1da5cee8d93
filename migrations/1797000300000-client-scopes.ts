import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a service client may do. Existing clients keep what they could do before: introspect and revoke. Their MACs stay valid, because a
 * MAC without scopes stands for exactly these two.
 */
export class ClientScopes1797000300000 implements MigrationInterface {
  name = 'ClientScopes1797000300000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE oauth_clients
        ADD COLUMN IF NOT EXISTS scopes text[] NOT NULL DEFAULT '{introspect,revoke}'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE oauth_clients DROP COLUMN scopes`);
  }
}
