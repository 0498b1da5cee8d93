import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The schema of our table of sessions. */
const OWN = `
  SELECT n.nspname AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = current_schema() AND c.relname = 'session' AND obj_description(c.oid, 'pg_class') = 'made by tandem'`;

/** The first connect-pg-simple table `session` in the schemas `$1`. */
const TABLE_OF_PRODUCT = `
  SELECT n.nspname AS schema
  FROM unnest($1::text[]) WITH ORDINALITY AS path (name, place)
  JOIN pg_namespace n ON n.nspname = path.name
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'session' AND c.relkind IN ('r', 'p')
  WHERE 3 = (SELECT count(*) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (
      (a.attname = 'sid' AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype))
      OR (a.attname = 'sess' AND a.atttypid IN ('json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'varchar'::regtype))
      OR (a.attname = 'expire' AND a.atttypid IN ('timestamp'::regtype, 'timestamptz'::regtype))))
  ORDER BY path.place LIMIT 1`;

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
    const schema = own?.schema ?? (await this.schemaOfProduct(queryRunner));
    // As nodes write it.
    const chosen = schema === undefined ? null : `"${schema.replaceAll('"', '""')}"."session"`;
    await queryRunner.query(`INSERT INTO session_table_choice (chosen) VALUES ($1)`, [chosen]);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE session_table_choice`);
  }

  /** The schema of the first connect-pg-simple table `session` on the default search path of the connection. Call it in a transaction. */
  private async schemaOfProduct(queryRunner: QueryRunner): Promise<string | undefined> {
    const [{ own }] = (await queryRunner.query(`SELECT current_setting('search_path') AS own`)) as [
      { own: string },
    ];
    await queryRunner.query(`SET LOCAL search_path TO DEFAULT`);
    const [{ path }] = (await queryRunner.query(
      `SELECT pg_catalog.current_schemas(false)::pg_catalog.text[] AS path`,
    )) as [{ path: string[] }];
    await queryRunner.query(`SELECT pg_catalog.set_config('search_path', $1, true)`, [own]);
    const [found] = (await queryRunner.query(TABLE_OF_PRODUCT, [path])) as { schema: string }[];
    return found?.schema;
  }
}
