import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Mail to users who still use sessions: the notices, and the delivery of each mail. */
export class Notices1796000310000 implements MigrationInterface {
  name = 'Notices1796000310000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE deprecation_notices (
        id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        created_by uuid,
        days integer NOT NULL,
        subject text NOT NULL,
        text text NOT NULL,
        sunset_at timestamptz,
        finished_at timestamptz,
        CONSTRAINT deprecation_notices_pkey PRIMARY KEY (id)
      )`);
    await queryRunner.query(
      `CREATE INDEX deprecation_notices_created_at_idx ON deprecation_notices (created_at, id)`,
    );
    await queryRunner.query(`
      CREATE TABLE notice_recipients (
        notice_id uuid NOT NULL,
        user_id uuid NOT NULL,
        username text NOT NULL,
        email text NOT NULL,
        user_agent text NOT NULL,
        last_seen timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'queued',
        attempts integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL DEFAULT now(),
        claimed_at timestamptz,
        session_pid integer,
        session_started_at timestamptz,
        settled_at timestamptz,
        confirmed boolean NOT NULL DEFAULT true,
        reply text,
        CONSTRAINT notice_recipients_pkey PRIMARY KEY (notice_id, user_id),
        CONSTRAINT notice_recipients_notice_id_fkey
          FOREIGN KEY (notice_id) REFERENCES deprecation_notices (id) ON DELETE CASCADE,
        CONSTRAINT notice_recipients_state_check
          CHECK (state IN ('queued', 'sending', 'handed_over', 'sent', 'failed'))
      )`);
    await queryRunner.query(
      `CREATE INDEX notice_recipients_open_idx ON notice_recipients (due_at)
       WHERE state IN ('queued', 'sending', 'handed_over')`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE notice_recipients`);
    await queryRunner.query(`DROP TABLE deprecation_notices`);
  }
}
