import type { MigrationInterface, QueryRunner } from 'typeorm';
import { Sessions1796000000000 } from './1796000000000-sessions.js';

/** The schema of our table of sessions. */
const OWN = `
  SELECT n.nspname AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = current_schema() AND c.relname = 'session' AND obj_description(c.oid, 'pg_class') = 'made by tandem'`;

/**
 * Chooses the table of the sessions for nodes without SESSION_TABLE, once: ours, or else a table `session` of a product. A table that a
 * product makes later changes nothing. If an earlier release used something that this release cannot use, such as a view, nothing is
 * chosen.
 */
export class SessionTableChoice1797000100000 implements MigrationInterface {
  name = 'SessionTableChoice1797000100000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE session_table_choice (
        id smallint NOT NULL DEFAULT 1,
        chosen text,
        used text,
        CONSTRAINT session_table_choice_pkey PRIMARY KEY (id),
        CONSTRAINT session_table_choice_one_row CHECK (id = 1)
      )`);
    const [own] = (await queryRunner.query(OWN)) as { schema: string }[];
    const schema = own?.schema ?? (await Sessions1796000000000.schemaOfProduct(queryRunner));
    // As nodes write it.
    const chosen = schema === undefined ? null : `"${schema.replaceAll('"', '""')}"."session"`;
    await queryRunner.query(`INSERT INTO session_table_choice (chosen) VALUES ($1)`, [chosen]);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE session_table_choice`);
  }
}
