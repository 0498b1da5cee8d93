import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Marks the session table as ours, so that `down` may drop it. A product that used the table before keeps it. */
const OURS = 'made by tandem';

/**
 * Sessions as connect-pg-simple stores them, in its existing table if there is one, and what we know about a session beyond its row. A
 * trigger records when the row of a linked session is deleted, and whether the session had expired. The trigger runs in the transactions
 * of other applications, so it never waits or fails.
 */
export class Sessions1796000000000 implements MigrationInterface {
  name = 'Sessions1796000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DO $$ BEGIN
        IF to_regclass('session') IS NULL THEN
          CREATE TABLE session (
            sid varchar NOT NULL,
            sess json NOT NULL,
            expire timestamp(6) NOT NULL,
            CONSTRAINT session_pkey PRIMARY KEY (sid)
          );
          COMMENT ON TABLE session IS '${OURS}';
          CREATE INDEX "IDX_session_expire" ON session (expire);
        END IF;
      END $$`);
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
    await queryRunner.query(`
      DO $$ BEGIN
        CREATE TRIGGER tandem_session_deleted AFTER DELETE ON session
        FOR EACH ROW EXECUTE FUNCTION tandem_session_deleted();
      EXCEPTION WHEN insufficient_privilege OR wrong_object_type THEN
        RAISE WARNING 'no trigger can be put on the table session: sessions that another application ends are found by looking';
      END $$`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TRIGGER IF EXISTS tandem_session_deleted ON session`);
    await queryRunner.query(`DROP FUNCTION tandem_session_deleted()`);
    await queryRunner.query(`DROP TABLE session_fates`);
    // Nodes created these at their start.
    await queryRunner.query(`
      DO $$ DECLARE made text; BEGIN
        FOR made IN
          SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
          WHERE indrelid = 'session'::regclass AND starts_with(relname, 'tandem_session_user_')
        LOOP EXECUTE 'DROP INDEX ' || made; END LOOP;
      END $$`);
    await queryRunner.query(`
      DO $$ BEGIN
        IF obj_description('session'::regclass, 'pg_class') = '${OURS}' THEN DROP TABLE session; END IF;
      END $$`);
  }
}
