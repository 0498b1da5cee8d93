import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The ids under which administrators were shown sessions. A session's own id is half of its credential, so lists never contain it. */
export class SessionHandles1797000600000 implements MigrationInterface {
  name = 'SessionHandles1797000600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE session_handles (
        id uuid NOT NULL,
        sid varchar NOT NULL,
        listed_at timestamptz NOT NULL,
        CONSTRAINT session_handles_pkey PRIMARY KEY (id)
      )`);
    await queryRunner.query(`CREATE INDEX session_handles_listed_at_idx ON session_handles (listed_at)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE session_handles`);
  }
}
