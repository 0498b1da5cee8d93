import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { lockForTransaction } from '../../database/advisory-locks.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { ServiceStateStore } from '../../database/service-state.store.js';
import { AdminRole } from '../admin-role.js';
import type { ImportedUser } from './imported-user.js';

/** The outcome of a row. `kept`: the user exists with another password, which stays. */
export type RowOutcome = 'created' | 'unchanged' | 'kept' | 'username_taken' | 'id_taken';

const LOCK = lockForTransaction('imports');

/** Existing users are not changed. Of two rows with one name, the first is imported. */
const INSERT = `
  INSERT INTO users (id, username, username_key, password_hash, role, email, external_id)
  SELECT id, username, username_key, password_hash, role, email, external_id
  FROM json_to_recordset($1::json) AS given (line integer, id uuid, username text, username_key text, password_hash text,
    role text, email text, external_id text)
  ORDER BY line
  ON CONFLICT DO NOTHING
  RETURNING id, username_key AS "usernameKey"`;

const EXISTING = `
  SELECT id, username, username_key AS "usernameKey", password_hash AS "passwordHash", role, email,
    external_id AS "externalId"
  FROM users
  WHERE username_key = ANY ($1::text[])`;

type Stored = Pick<ImportedUser, 'id' | 'username' | 'usernameKey' | 'role' | 'email' | 'externalId'> & {
  readonly passwordHash: string | null;
};

/** Writes imported users, many in one transaction, together with the audit event that counts them. */
@Injectable()
export class ImportStore {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditStore,
    private readonly state: ServiceStateStore,
    private readonly adminRole: AdminRole,
  ) {}

  /** Commits all rows or none. Returns the outcome of each row, in order. Existing users are not changed. */
  async add(users: readonly ImportedUser[], origin: Origin): Promise<RowOutcome[]> {
    return this.database.transaction(async (sql) => {
      await sql.query(LOCK);
      const inserted = await this.insert(sql, users);
      // Of two equal rows, only the first was inserted.
      const created = users.map((user) => inserted.delete(nameOf(user)));
      const existing = await this.findExisting(
        sql,
        users.filter((_, index) => !created[index]),
      );
      const outcomes = users.map((user, index) =>
        created[index] === true ? 'created' : outcomeOf(user, existing.get(user.usernameKey)),
      );
      await this.record(sql, users, outcomes, origin);
      return outcomes;
    });
  }

  private async insert(sql: Sql, users: readonly ImportedUser[]): Promise<Set<string>> {
    const rows = users.map((user) => ({
      line: user.line,
      id: user.id,
      username: user.username,
      username_key: user.usernameKey,
      password_hash: user.passwordHash,
      role: user.role,
      email: user.email,
      external_id: user.externalId,
    }));
    const inserted = await sql.query<{ id: string; usernameKey: string }>(INSERT, [JSON.stringify(rows)]);
    return new Set(inserted.map(nameOf));
  }

  private async findExisting(sql: Sql, users: readonly ImportedUser[]): Promise<ReadonlyMap<string, Stored>> {
    if (users.length === 0) return new Map();
    const rows = await sql.query<Stored & Record<string, unknown>>(EXISTING, [
      users.map(({ usernameKey }) => usernameKey),
    ]);
    return new Map(rows.map((row) => [row.usernameKey, row]));
  }

  private async record(
    sql: Sql,
    users: readonly ImportedUser[],
    outcomes: readonly RowOutcome[],
    origin: Origin,
  ): Promise<void> {
    const created = users.filter((_, index) => outcomes[index] === 'created');
    if (created.length === 0) return;
    await this.state.raiseFailureFloor(sql, Math.max(...created.map(({ floor }) => floor)));
    const detail = {
      created: created.length,
      admins: created.filter((user) => this.adminRole.isHeldBy(user)).length,
      first_line: users[0]!.line,
      last_line: users.at(-1)!.line,
    };
    await this.audit.add({ event: 'import', cause: 'created', detail }, origin, sql);
  }
}

function nameOf({ id, usernameKey }: Pick<ImportedUser, 'id' | 'usernameKey'>): string {
  return `${id} ${usernameKey}`;
}

function outcomeOf(user: ImportedUser, existing: Stored | undefined): RowOutcome {
  if (existing === undefined) return 'id_taken';
  const same =
    existing.username === user.username &&
    [user.role, user.wantedRole].includes(existing.role) &&
    existing.email === user.email &&
    isSameExternalId(user, existing) &&
    (!user.idGiven || existing.id === user.id);
  if (!same) return 'username_taken';
  return sameSecret(existing.passwordHash, user.passwordHash) ? 'unchanged' : 'kept';
}

/** An id that is a UUID need not be repeated, and earlier releases did not store it as external id. */
function isSameExternalId({ externalId }: ImportedUser, existing: Stored): boolean {
  return (existing.externalId ?? existing.id) === (externalId ?? existing.id);
}
