import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The seals of the audit trail. Seals and events cannot be changed, and only retention can remove them. */
export class Audit1796000500000 implements MigrationInterface {
  name = 'Audit1796000500000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE audit_seals (
        id bigint NOT NULL,
        first_id bigint NOT NULL,
        last_id bigint NOT NULL,
        count integer NOT NULL,
        sealed_at timestamptz NOT NULL,
        previous bytea NOT NULL,
        hash bytea NOT NULL,
        mac bytea NOT NULL,
        key text NOT NULL,
        removed_mac bytea,
        removed_key text,
        CONSTRAINT audit_seals_pkey PRIMARY KEY (id)
      )`);
    await queryRunner.query(`
      CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP <> 'TRUNCATE' AND current_setting('tandem.audit_retention', true) = 'on'
          AND (TG_OP = 'DELETE' OR TG_TABLE_NAME = 'audit_seals')
        THEN
          RETURN NULL;
        END IF;
        RAISE EXCEPTION 'the audit trail is append-only: no % of %', TG_OP, TG_TABLE_NAME
          USING ERRCODE = 'insufficient_privilege';
      END $$`);
    for (const table of ['audit_events', 'audit_seals']) {
      await queryRunner.query(`
        CREATE TRIGGER ${table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE audit_seals`);
    await queryRunner.query(`DROP TRIGGER audit_events_append_only ON audit_events`);
    await queryRunner.query(`DROP FUNCTION audit_append_only()`);
  }
}
