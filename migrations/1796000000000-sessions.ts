import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Marks a table of sessions that this service made. */
const OURS = 'made by tandem';

/**
 * What we know about a session beyond its row, and the function of a trigger that records when the row of a linked session is deleted, and
 * whether the session had expired. It runs in the transactions of other applications, so it never waits or fails. A later migration finds
 * or makes the table of the sessions.
 */
export class Sessions1796000000000 implements MigrationInterface {
  name = 'Sessions1796000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
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
}
