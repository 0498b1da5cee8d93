import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a product knows its sessions by, encrypted, if Tandem asks it about them. Stays empty while Tandem finds the sessions itself. */
export class SessionCredentials1797000740000 implements MigrationInterface {
  name = 'SessionCredentials1797000740000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE session_credentials (
        sid varchar NOT NULL,
        sealed bytea NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT session_credentials_pkey PRIMARY KEY (sid)
      )`);
    await queryRunner.query(`CREATE INDEX session_credentials_seen_at_idx ON session_credentials (seen_at)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE IF EXISTS session_credentials`);
  }
}
