import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Marks a table of sessions that this service made. */
const OURS = 'made by tandem';

/** SQL for the name of the table, as nodes write it. */
const NAME = `'"' || replace(n.nspname, '"', '""') || '"."session"'`;

/** `$1`: the default search path. The first connect-pg-simple table `session` on it. */
const OF_PRODUCT = `
  SELECT ${NAME} AS name
  FROM unnest($1::text[]) WITH ORDINALITY AS path (name, place)
  JOIN pg_namespace n ON n.nspname = path.name
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'session' AND c.relkind IN ('r', 'p')
  WHERE 3 = (SELECT count(*) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (
      (a.attname = 'sid' AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype))
      OR (a.attname = 'sess' AND a.atttypid IN ('json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'varchar'::regtype))
      OR (a.attname = 'expire' AND a.atttypid IN ('timestamp'::regtype, 'timestamptz'::regtype))))
  ORDER BY path.place LIMIT 1`;

const OWN = `
  SELECT ${NAME} AS name, c.oid IS NOT NULL AS "isTaken",
    obj_description(c.oid, 'pg_class') IS NOT DISTINCT FROM '${OURS}' AS "isOurs",
    EXISTS (SELECT 1 FROM session_fates) AS "hasLinks"
  FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'session'
  WHERE n.nspname = current_schema()`;

interface Own {
  readonly name: string;
  readonly isTaken: boolean;
  readonly isOurs: boolean;
  /** Sessions are known, so there was a table for them. */
  readonly hasLinks: boolean;
}

/**
 * Chooses the table of the sessions for nodes without SESSION_TABLE, once: a table of ours from an earlier release, or else a table
 * `session` of a product. If there is neither, makes a table of ours. A table that a product makes later changes nothing. Nothing is
 * created on a table of a product.
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
    const chosen = await this.choose(queryRunner);
    await queryRunner.query(`INSERT INTO session_table_choice (chosen) VALUES ($1)`, [chosen]);
  }

  /** A table of sessions stays: it may hold the sessions of an earlier release. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE session_table_choice`);
  }

  /** Null if there was a table that this release cannot use, such as a view: then SESSION_TABLE has to name one. */
  private async choose(queryRunner: QueryRunner): Promise<string | null> {
    const own = await this.own(queryRunner);
    if (own.isOurs) return own.name;
    const [found] = (await queryRunner.query(OF_PRODUCT, [await this.defaultPath(queryRunner)])) as {
      name: string;
    }[];
    if (found !== undefined) return found.name;
    if (own.isTaken || own.hasLinks) return null;
    await this.createOwn(queryRunner);
    return own.name;
  }

  private async own(queryRunner: QueryRunner): Promise<Own> {
    return ((await queryRunner.query(OWN)) as [Own])[0];
  }

  private async defaultPath(queryRunner: QueryRunner): Promise<string[]> {
    const [{ own }] = (await queryRunner.query(`SELECT current_setting('search_path') AS own`)) as [
      { own: string },
    ];
    await queryRunner.query(`SET LOCAL search_path TO DEFAULT`);
    const [{ path }] = (await queryRunner.query(
      `SELECT pg_catalog.current_schemas(false)::pg_catalog.text[] AS path`,
    )) as [{ path: string[] }];
    await queryRunner.query(`SELECT pg_catalog.set_config('search_path', $1, true)`, [own]);
    return path;
  }

  private async createOwn(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE session (
        sid varchar NOT NULL,
        sess json NOT NULL,
        expire timestamp(6) NOT NULL,
        CONSTRAINT session_pkey PRIMARY KEY (sid)
      )`);
    await queryRunner.query(`COMMENT ON TABLE session IS '${OURS}'`);
    await queryRunner.query(`CREATE INDEX "IDX_session_expire" ON session (expire)`);
    await queryRunner.query(`
      CREATE TRIGGER tandem_session_deleted AFTER DELETE ON session
      FOR EACH ROW EXECUTE FUNCTION tandem_session_deleted()`);
  }
}
