import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The limit for `sess` in bytes: a larger session has no user. */
const LARGEST = 4_194_304;

/** Characters of a user name that are kept, so that an index accepts every row. */
const LONGEST = 256;

const STILL_THERE = `
  root := pg_partition_root(TG_RELID);
  IF root IS NOT NULL THEN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s WHERE sid = $1)', root) INTO moved USING OLD.sid;
    IF moved THEN RETURN NULL; END IF;
  END IF;`;

/**
 * A function that returns the user of a session and does not fail for any row of another application. An index on it is evaluated in the
 * transactions of that application, and by every revocation of a user.
 */
export class SessionUserFunction1796001400000 implements MigrationInterface {
  name = 'SessionUserFunction1796001400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await this.createFunction(queryRunner);
    await this.replaceTrigger(queryRunner, STILL_THERE);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await this.replaceTrigger(queryRunner, '');
    // Nodes created these at their start.
    await queryRunner.query(`
      DO $$ DECLARE made text; BEGIN
        FOR made IN
          SELECT DISTINCT d.objid::regclass::text FROM pg_depend d
          WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_proc'::regclass
            AND d.refobjid = to_regprocedure('tandem_session_user(text, text[])')
        LOOP EXECUTE 'DROP INDEX ' || made; END LOOP;
      END $$`);
    await queryRunner.query(`DROP FUNCTION tandem_session_user(text, text[])`);
  }

  /**
   * NULL if the session has no user: the value is not a text or a number, or it is too long, or `sess` is too large, too deep or not JSON.
   * JSON is read as text, so numbers of any size are accepted. PostgreSQL refuses the escapes of NUL and of half a surrogate pair
   * anywhere in a document. Only then are they replaced: first NUL, then the escapes of all surrogates.
   *
   * Product roles evaluate it in their sessions, so it depends on none of their settings.
   */
  private async createFunction(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(String.raw`
      CREATE FUNCTION tandem_session_user(sess text, path text[]) RETURNS text
      LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        attempt integer := 1;
        held json;
        surrogate text;
      BEGIN
        IF octet_length(sess) > ${LARGEST} THEN RETURN NULL; END IF;
        LOOP
          BEGIN
            held := sess::json #> path;
            IF json_typeof(held) NOT IN ('string', 'number') THEN RETURN NULL; END IF;
            sess := held #>> '{}';
            RETURN CASE WHEN length(sess) <= ${LONGEST} THEN sess END;
          EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
            CASE attempt
              WHEN 1 THEN
                -- An escaped backslash becomes another escape of it: what still looks like an escape then is one.
                sess := replace(replace(sess, E'\\\\', E'\\u005c'), E'\\u0000', E'\\ufffd');
              WHEN 2 THEN
                FOREACH surrogate IN ARRAY string_to_array('8 9 a b A B c d e f C D E F', ' ') LOOP
                  sess := replace(sess, E'\\ud' || surrogate, E'\\\\ud' || surrogate);
                  sess := replace(sess, E'\\uD' || surrogate, E'\\\\uD' || surrogate);
                END LOOP;
              ELSE RETURN NULL;
            END CASE;
            attempt := attempt + 1;
          END;
        END LOOP;
      END $$`);
    await queryRunner.query(`GRANT EXECUTE ON FUNCTION tandem_session_user(text, text[]) TO PUBLIC`);
  }

  /** A row that moved to another partition, because `expire` changed, was not deleted. */
  private async replaceTrigger(queryRunner: QueryRunner, stillThere: string): Promise<void> {
    const [{ schema }] = (await queryRunner.query(`SELECT quote_ident(current_schema()) AS schema`)) as [
      { schema: string },
    ];
    await queryRunner.query(`
      CREATE OR REPLACE FUNCTION tandem_session_deleted() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp AS $$
      DECLARE root regclass; moved boolean; BEGIN
        IF EXISTS (SELECT 1 FROM session_fates WHERE sid = OLD.sid AND family_id IS NOT NULL AND ended_at IS NULL) THEN
          BEGIN
            ${stillThere}
            UPDATE session_fates
            SET row_expired = OLD.expire <= clock_timestamp() + interval '5 seconds'
            WHERE sid = (SELECT sid FROM session_fates WHERE sid = OLD.sid FOR UPDATE SKIP LOCKED);
          EXCEPTION WHEN OTHERS THEN NULL;
          END;
        END IF;
        RETURN NULL;
      END $$`);
  }
}
