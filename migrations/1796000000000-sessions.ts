import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Marks the session table as ours, so that `down` may drop it. */
const OURS = 'made by tandem';

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
 * Sessions as connect-pg-simple stores them, in its existing table if there is one, and what we know about a session beyond its row. A
 * trigger records when the row of a linked session is deleted, and whether the session had expired. It runs in the transactions of other
 * applications, so it never waits or fails. Nothing is created on a table of a product.
 */
export class Sessions1796000000000 implements MigrationInterface {
  name = 'Sessions1796000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const isOurs = (await this.schemaOfProduct(queryRunner)) === undefined;
    if (isOurs) await this.createTable(queryRunner);
    await queryRunner.query(`
      CREATE TABLE session_fates (
        sid varchar NOT NULL,
        user_id uuid NOT NULL,
        family_id uuid,
        downgraded_id uuid,
        spent_generation integer,
        seen_at timestamptz,
        ends_at timestamptz,
        ended_at timestamptz,
        row_expired boolean,
        CONSTRAINT session_fates_pkey PRIMARY KEY (sid),
        CONSTRAINT session_fates_family_id_unique UNIQUE (family_id),
        CONSTRAINT session_fates_downgraded_id_unique UNIQUE (downgraded_id),
        CONSTRAINT session_fates_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
      )`);
    await queryRunner.query(`CREATE INDEX session_fates_user_id_idx ON session_fates (user_id)`);
    await queryRunner.query(
      `CREATE INDEX session_fates_ended_at_idx ON session_fates (ended_at) WHERE ended_at IS NOT NULL`,
    );
    await queryRunner.query(
      `CREATE INDEX session_fates_lost_idx ON session_fates (sid) WHERE row_expired = false AND ended_at IS NULL`,
    );
    // SECURITY DEFINER: the role of the other application has no rights on our tables, and must not replace them by tables of the
    // same name. Five seconds allow for its clock, which connect-pg-simple uses to remove expired sessions.
    const [{ schema }] = (await queryRunner.query(`SELECT quote_ident(current_schema()) AS schema`)) as [
      { schema: string },
    ];
    await queryRunner.query(`
      CREATE FUNCTION tandem_session_deleted() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp AS $$
      BEGIN
        IF EXISTS (SELECT 1 FROM session_fates WHERE sid = OLD.sid AND family_id IS NOT NULL AND ended_at IS NULL) THEN
          BEGIN
            UPDATE session_fates
            SET row_expired = OLD.expire <= clock_timestamp() + interval '5 seconds'
            WHERE sid = (SELECT sid FROM session_fates WHERE sid = OLD.sid FOR UPDATE SKIP LOCKED);
          EXCEPTION WHEN OTHERS THEN NULL;
          END;
        END IF;
        RETURN NULL;
      END $$`);
    await queryRunner.query(`REVOKE EXECUTE ON FUNCTION tandem_session_deleted() FROM PUBLIC`);
    if (!isOurs) return;
    await queryRunner.query(`
      CREATE TRIGGER tandem_session_deleted AFTER DELETE ON session
      FOR EACH ROW EXECUTE FUNCTION tandem_session_deleted()`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    // With its triggers: on our table, and on those of products to which an operator or an earlier release attached one.
    await queryRunner.query(`DROP FUNCTION tandem_session_deleted() CASCADE`);
    await queryRunner.query(`DROP TABLE session_fates`);
    // Our table, in which nodes made an index of their own.
    await queryRunner.query(`
      DO $$ DECLARE ours regclass := to_regclass(format('%I.session', current_schema())); BEGIN
        IF obj_description(ours, 'pg_class') = '${OURS}' THEN EXECUTE 'DROP TABLE ' || ours; END IF;
      END $$`);
  }

  private async createTable(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE session (
        sid varchar NOT NULL,
        sess json NOT NULL,
        expire timestamp(6) NOT NULL,
        CONSTRAINT session_pkey PRIMARY KEY (sid)
      )`);
    await queryRunner.query(`COMMENT ON TABLE session IS '${OURS}'`);
    await queryRunner.query(`CREATE INDEX "IDX_session_expire" ON session (expire)`);
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
