import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The migrations of the transition's tables, in order. */
const TRANSITION = [
  '1796000000000-sessions',
  '1796000100000-rollout',
  '1796000110000-rollout-plan',
  '1796000200000-report',
  '1796000300000-jobs',
  '1796000310000-notices',
  '1796001100000-rollout-evidence',
  '1796001110000-rollout-operator',
  '1796001400000-session-user-function',
  '1797000100000-session-table-choice',
  '1797000400000-users-source',
  '1797000500000-unlinked-session-uses',
  '1797000520000-session-password-proofs',
  '1797000600000-session-handles',
  '1797000610000-refused-sessions',
  '1797000730000-session-records',
  '1797000740000-session-credentials',
] as const;

/** This index came with the report and stays: the audit uses it. */
const LOGIN_EVENTS_INDEX = `CREATE INDEX audit_events_began_idx ON audit_events (sid) WHERE event IN ('login', 'exchange')`;

/** What ExternalIds1797000200000 and UsersOfTheProduct1797000310000, which stay, have changed in a table of the transition. */
const LATER_CHANGES = `
  ALTER TABLE session_fates
    ADD COLUMN IF NOT EXISTS begun_macs jsonb,
    DROP CONSTRAINT IF EXISTS session_fates_user_id_fkey`;

/**
 * v3.0 removes sessions and every table of the transition. A table `session` that a product made stays, without our trigger and index: it
 * belongs to the product.
 */
export class RemoveSessions1799000000000 implements MigrationInterface {
  name = 'RemoveSessions1799000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const name of TRANSITION.toReversed()) await (await load(name)).down(queryRunner);
    await queryRunner.query(LOGIN_EVENTS_INDEX);
    // No family is linked any more, so each can rotate in one statement.
    await queryRunner.query(`UPDATE refresh_tokens SET alone = true WHERE NOT alone`);
  }

  /** The tables come back empty. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX audit_events_began_idx`);
    for (const name of TRANSITION) await (await load(name)).up(queryRunner);
    await queryRunner.query(LATER_CHANGES);
  }
}

/** Migrations run compiled and, in tests, as TypeScript. */
async function load(name: string): Promise<MigrationInterface> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const loaded = (await import(new URL(`${name}.${extension}`, import.meta.url).href)) as Record<
    string,
    new () => MigrationInterface
  >;
  const [Migration] = Object.values(loaded);
  return new Migration!();
}
