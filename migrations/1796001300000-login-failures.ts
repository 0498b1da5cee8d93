import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Consecutive failed logins per account name from devices where the account is not logged in. */
export class LoginFailures1796001300000 implements MigrationInterface {
  name = 'LoginFailures1796001300000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE login_failures (
        key bytea NOT NULL,
        failures integer NOT NULL,
        retry_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT login_failures_pkey PRIMARY KEY (key)
      ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)`);
    await queryRunner.query(`CREATE INDEX login_failures_expires_at_idx ON login_failures (expires_at)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE login_failures`);
  }
}
