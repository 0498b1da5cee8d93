import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the product says about its users while it owns them (USERS_SOURCE_BY_NAME and USERS_SOURCE_BY_ID). */
export class UsersSource1797000400000 implements MigrationInterface {
  name = 'UsersSource1797000400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE source_users (
        user_id uuid CONSTRAINT source_users_pkey PRIMARY KEY,
        password_macs jsonb,
        password_changed_at text,
        username text,
        ended text,
        CONSTRAINT source_users_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
      )`);
    await queryRunner.query(`
      CREATE TABLE source_state (
        id smallint NOT NULL DEFAULT 1 CONSTRAINT source_state_pkey PRIMARY KEY,
        alarm_since timestamptz,
        confirmed_until timestamptz,
        faults jsonb NOT NULL DEFAULT '{}',
        CONSTRAINT source_state_one_row CHECK (id = 1)
      )`);
    await queryRunner.query(`INSERT INTO source_state DEFAULT VALUES`);
    await queryRunner.query(`
      CREATE TABLE source_tallies (
        node uuid NOT NULL,
        slot bigint NOT NULL,
        queries integer NOT NULL,
        missing integer NOT NULL,
        CONSTRAINT source_tallies_pkey PRIMARY KEY (node, slot)
      )`);
    await queryRunner.query(`CREATE INDEX source_tallies_slot_idx ON source_tallies (slot)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE IF EXISTS source_tallies`);
    await queryRunner.query(`DROP TABLE IF EXISTS source_state`);
    await queryRunner.query(`DROP TABLE IF EXISTS source_users`);
  }
}
