import { getConstructionPlans } from 'pg-boss';
import type { MigrationInterface, QueryRunner } from 'typeorm';

const SCHEMA = 'jobs';

/** The job queue, in a schema of its own that is the library's: it brings later versions of it up to date at the start of a node. */
export class Jobs1796000300000 implements MigrationInterface {
  name = 'Jobs1796000300000';

  /** The library's script is a transaction of its own. */
  transaction = false;

  async up(queryRunner: QueryRunner): Promise<void> {
    const [row] = (await queryRunner.query(`SELECT to_regclass('${SCHEMA}.version') AS made`)) as {
      made: string | null;
    }[];
    // Made, but not noted as applied: a migration that was cut off in between.
    if (row?.made === null) await queryRunner.query(getConstructionPlans(SCHEMA));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`);
  }
}
