import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When the password of a session was proved last. */
export class SessionPasswordProofs1797000520000 implements MigrationInterface {
  name = 'SessionPasswordProofs1797000520000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE session_password_proofs (
        sid varchar NOT NULL,
        proved_at timestamptz NOT NULL,
        CONSTRAINT session_password_proofs_pkey PRIMARY KEY (sid)
      )`);
    await queryRunner.query(
      `CREATE INDEX session_password_proofs_proved_at_idx ON session_password_proofs (proved_at)`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE session_password_proofs`);
  }
}
