import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Service clients that may introspect and revoke tokens. */
export class OAuth1796000700000 implements MigrationInterface {
  name = 'OAuth1796000700000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE oauth_clients (
        id uuid NOT NULL,
        name text NOT NULL,
        secret_hash bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        secret_at timestamptz NOT NULL DEFAULT now(),
        disabled_at timestamptz,
        CONSTRAINT oauth_clients_pkey PRIMARY KEY (id)
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE oauth_clients`);
  }
}
