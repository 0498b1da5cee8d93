import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Products name their roles themselves. ADMIN_ROLE and the sessions that this service began are stored with MACs. Without a transaction:
 * no statement keeps logins waiting. Each can be repeated.
 */
export class ExternalIds1797000200000 implements MigrationInterface {
  name = 'ExternalIds1797000200000';

  transaction = false;

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE service_state ADD COLUMN IF NOT EXISTS admin_role text, ADD COLUMN IF NOT EXISTS refused_admins jsonb`);
    await queryRunner.query(`ALTER TABLE session_fates ADD COLUMN IF NOT EXISTS begun_macs jsonb`);
    await queryRunner.query(`
      ALTER TABLE users
        DROP CONSTRAINT IF EXISTS users_role_check,
        ADD CONSTRAINT users_role_check CHECK (role ~ '^[a-z][a-z0-9_-]{0,31}$') NOT VALID`);
    await queryRunner.query(`ALTER TABLE users VALIDATE CONSTRAINT users_role_check`);
    await withoutLockTimeout(queryRunner, async () => {
      // An interrupted build leaves an invalid index.
      await queryRunner.query(`DROP INDEX CONCURRENTLY IF EXISTS users_roles_idx`);
      await queryRunner.query(
        `CREATE INDEX CONCURRENTLY users_roles_idx ON users (role, id) WHERE role <> 'user'`,
      );
      await queryRunner.query(`DROP INDEX CONCURRENTLY IF EXISTS users_admins_idx`);
    });
  }

  /** Administrators get the role `admin`, and everybody else the role `user`. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE users DROP CONSTRAINT IF EXISTS users_role_check`);
    await queryRunner.query(`
      UPDATE users SET role = CASE
        WHEN role = coalesce((SELECT admin_role FROM service_state), 'admin') THEN 'admin' ELSE 'user' END
      WHERE role <> 'user'`);
    await queryRunner.query(`
      ALTER TABLE users ADD CONSTRAINT users_role_check CHECK (role IN ('user', 'admin'))`);
    await queryRunner.query(`CREATE INDEX IF NOT EXISTS users_admins_idx ON users (id) WHERE role = 'admin'`);
    await queryRunner.query(`DROP INDEX IF EXISTS users_roles_idx`);
    await queryRunner.query(`ALTER TABLE session_fates DROP COLUMN IF EXISTS begun_macs`);
    await queryRunner.query(`
      ALTER TABLE service_state DROP COLUMN IF EXISTS admin_role, DROP COLUMN IF EXISTS refused_admins`);
  }
}

/** CONCURRENTLY waits for old transactions, but no query waits for it: it need not be repeated. */
async function withoutLockTimeout(queryRunner: QueryRunner, work: () => Promise<void>): Promise<void> {
  const [before] = (await queryRunner.query('SHOW lock_timeout')) as [{ lock_timeout: string }];
  await queryRunner.query('SET lock_timeout = 0');
  try {
    await work();
  } finally {
    await queryRunner.query(`SET lock_timeout = '${before.lock_timeout}'`);
  }
}
