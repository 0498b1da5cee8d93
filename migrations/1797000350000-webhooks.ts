import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The outbox of webhooks. Rows refer to users by id without a foreign key: the event of a deletion outlives the user. */
export class Webhooks1797000350000 implements MigrationInterface {
  name = 'Webhooks1797000350000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE webhook_events (
        seq bigint GENERATED ALWAYS AS IDENTITY,
        id uuid NOT NULL,
        type text NOT NULL,
        user_id uuid NOT NULL,
        external_id text,
        sid uuid,
        state text NOT NULL,
        reason text,
        changed text[],
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        attempts integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        last_error text,
        CONSTRAINT webhook_events_pkey PRIMARY KEY (seq),
        CONSTRAINT webhook_events_type_check
          CHECK (type IN ('user.password_changed', 'user.changed', 'user.deleted', 'login.revoked')),
        CONSTRAINT webhook_events_state_check CHECK (state IN ('active', 'disabled', 'deleted', 'revoked'))
      )`);
    await queryRunner.query(`CREATE INDEX webhook_events_due_at_idx ON webhook_events (due_at)`);
    await queryRunner.query(`CREATE INDEX webhook_events_user_id_idx ON webhook_events (user_id, seq)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE webhook_events`);
  }
}
