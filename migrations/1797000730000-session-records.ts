import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What is known of sessions in a store outside of the database, in the form of a session table, and the users whose unseen sessions are being
 * revoked. Both stay empty while sessions are in PostgreSQL.
 */
export class SessionRecords1797000730000 implements MigrationInterface {
  name = 'SessionRecords1797000730000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE session_records (
        sid varchar NOT NULL,
        sess json NOT NULL,
        expire timestamptz NOT NULL,
        CONSTRAINT session_records_pkey PRIMARY KEY (sid)
      )`);
    await queryRunner.query(`CREATE INDEX session_records_expire_idx ON session_records (expire)`);
    await queryRunner.query(`
      CREATE TRIGGER tandem_session_deleted AFTER DELETE ON session_records
      FOR EACH ROW EXECUTE FUNCTION tandem_session_deleted()`);
    await queryRunner.query(`
      CREATE TABLE session_searches (
        user_id uuid NOT NULL,
        names text[] NOT NULL,
        revision integer NOT NULL DEFAULT 1,
        claimed_at timestamptz,
        CONSTRAINT session_searches_pkey PRIMARY KEY (user_id)
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE IF EXISTS session_searches`);
    await queryRunner.query(`DROP TABLE IF EXISTS session_records`);
  }
}
