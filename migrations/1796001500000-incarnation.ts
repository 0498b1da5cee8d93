import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A random id of the installation, by which nodes identify its database. */
export class Incarnation1796001500000 implements MigrationInterface {
  name = 'Incarnation1796001500000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE service_state ADD COLUMN incarnation uuid`);
    await queryRunner.query(`UPDATE service_state SET incarnation = gen_random_uuid()`);
    await queryRunner.query(`ALTER TABLE service_state ALTER COLUMN incarnation SET NOT NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE service_state DROP COLUMN incarnation`);
  }
}
