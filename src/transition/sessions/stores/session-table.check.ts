import { Logger } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import { DoctorCheck, fail, messageOf, ok, warn } from '../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../admin/cli/doctor/doctor-check.js';
import { BackgroundLoops } from '../../../common/background-loops.js';
import { COLUMN_TYPES } from '../table/find-session-table.js';
import { CONNECT_PG_SIMPLE } from '../table/session-layout.js';
import type { SessionLayout } from '../table/session-layout.js';
import { SessionTableStore } from './session-table.store.js';
import type { RefusedWrite, SessionTableShape } from './session-table.store.js';

const CHECK = 'session_table';

const EXPIRED_INSTEAD = 'revoked sessions are expired there instead of deleted, and always refused here';

/** The effect if the table refuses a kind of write. */
const WITHOUT: Readonly<Record<RefusedWrite['write'], string>> = {
  INSERT: 'POST /api/login and /auth/downgrade answer 503',
  UPDATE: '/auth/exchange answers 503, and sessions in use expire',
  DELETE: EXPIRED_INSTEAD,
};

/**
 * Checks that the table of sessions, which a product may have made, allows what this service needs: for the doctor, and in each node at
 * its start, which logs the faults and starts anyway. SESSION_TABLE is checked more strictly before, see findSessionTable.
 */
@DoctorCheck()
export class SessionTableCheck implements Examination, OnApplicationBootstrap {
  private readonly logger = new Logger(SessionTableCheck.name);

  constructor(
    private readonly store: SessionTableStore,
    private readonly loops: BackgroundLoops,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!this.loops.enabled) return;
    try {
      for (const { level, message, advice } of await this.examine()) {
        if (level === 'fail') this.logger.error(`${message}: ${advice}`);
        if (level === 'warn') this.logger.warn(`${message}: ${advice}`);
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to examine the session table');
    }
  }

  async examine(): Promise<Finding[]> {
    const table = await this.store.describe();
    const name = this.store.table.shown;
    if (table === undefined)
      return [
        fail(
          CHECK,
          `the table ${name} is gone`,
          'restore it, or set SESSION_TABLE; see docs/adopt/sessions.md',
        ),
      ];
    const findings = [
      columns(name, table, this.store.table.layout),
      ...[privileges, rowSecurity, obstacles].map((find) => find(name, table)),
    ].flat();
    if (findings.every(({ level }) => level !== 'fail')) findings.push(...(await this.writes(table)));
    return findings.length > 0 ? findings : [ok(CHECK, 'sessions can be read, opened, extended and deleted')];
  }

  /** Finds refusals beyond the missing privileges. */
  private async writes({ lacking }: SessionTableShape): Promise<Finding[]> {
    const refused = await this.store.tryWrites();
    const inserts = refused.some(({ write }) => write === 'INSERT');
    return refused
      .filter(({ write }) => !lacking.includes(write))
      .map(({ write, error }) =>
        (write === 'DELETE' ? warn : fail)(
          CHECK,
          `the table ${this.store.table.shown} refuses ${write}: ${messageOf(error)}`,
          `${WITHOUT[write]}; check its triggers, constraints and policies`,
        ),
      )
      .slice(0, inserts ? 1 : undefined);
  }
}

function columns(
  name: string,
  { columns: types, required }: SessionTableShape,
  layout: SessionLayout,
): Finding[] {
  // The start checks the columns of a preset.
  const expected = layout === CONNECT_PG_SIMPLE ? Object.entries(COLUMN_TYPES) : [];
  const findings = expected.flatMap(([column, type]) => {
    if (type.test(types[column] ?? '')) return [];
    const is = types[column] === undefined ? 'has no column' : 'has another type in the column';
    return [
      fail(
        CHECK,
        `the table ${name} ${is} ${column}`,
        'sessions are not accepted; see docs/adopt/sessions.md',
      ),
    ];
  });
  if (required.length > 0)
    findings.push(
      fail(
        CHECK,
        `the table ${name} wants a value for ${required.join(', ')}`,
        `${WITHOUT.INSERT}; give those columns a default`,
      ),
    );
  return findings;
}

function privileges(name: string, { lacking }: SessionTableShape): Finding[] {
  return lacking.map((privilege) => {
    const message = `the role of DATABASE_URL may not ${privilege} in the table ${name}`;
    const without =
      privilege === 'SELECT' ? 'sessions answer 503' : WITHOUT[privilege as RefusedWrite['write']];
    return (privilege === 'DELETE' ? warn : fail)(
      CHECK,
      message,
      `${without}; GRANT ${privilege} ON ${name}`,
    );
  });
}

function rowSecurity(name: string, { secured, readable }: SessionTableShape): Finding[] {
  if (!secured) return [];
  return readable
    ? [
        warn(
          CHECK,
          `row-level security of the table ${name} applies to the role of DATABASE_URL`,
          'a session that its policies hide gets 401 and cannot be revoked; let the role see and change all rows',
        ),
      ]
    : [
        fail(
          CHECK,
          `row-level security hides every row of the table ${name} from the role of DATABASE_URL`,
          'every session cookie gets 401; make a policy for the role, or give it BYPASSRLS',
        ),
      ];
}

function obstacles(name: string, { kind, references, rules }: SessionTableShape): Finding[] {
  const findings: Finding[] = [];
  if (references.length > 0)
    findings.push(
      warn(
        CHECK,
        `rows of ${references.join(', ')} keep rows of the table ${name} from being deleted`,
        `${EXPIRED_INSTEAD}; make the foreign key ON DELETE CASCADE`,
      ),
    );
  if (rules.length > 0)
    findings.push(
      warn(
        CHECK,
        `rules rewrite what is done to the table ${name}: ${rules.join(', ')}`,
        `${EXPIRED_INSTEAD}; use triggers`,
      ),
    );
  if (kind !== 'r')
    findings.push(
      warn(
        CHECK,
        `the table ${name} is ${kind === 'p' ? 'a partitioned table' : 'no ordinary table'}`,
        'no index can be made on the users of sessions: each revocation of a user reads every row',
      ),
    );
  return findings;
}
