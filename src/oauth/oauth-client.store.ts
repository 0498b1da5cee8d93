import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { AuditStore } from '../audit/audit.store.js';
import { DEFAULT_SCOPES } from '../auth/client-scopes.js';
import type { ClientScope } from '../auth/client-scopes.js';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import { OAuthClientTrust } from './oauth-client.trust.js';
import type { OAuthClient } from './oauth-client.entity.js';

const COLUMNS = `
  id, name, secret_hash AS "secretHash", scopes, created_at AS "createdAt", secret_at AS "secretAt", disabled_at AS "disabledAt", macs`;

const FIND = `SELECT ${COLUMNS} FROM oauth_clients WHERE id = $1`;
const LIST = `SELECT ${COLUMNS} FROM oauth_clients WHERE id > $1 ORDER BY id LIMIT $2`;
const INSERT = `
  INSERT INTO oauth_clients (id, name, secret_hash, scopes) VALUES ($1, $2, $3, $4) RETURNING ${COLUMNS}`;
const LOCK = `SELECT ${COLUMNS} FROM oauth_clients WHERE id = $1 FOR UPDATE`;
const RENEW = `
  UPDATE oauth_clients SET secret_hash = $2, scopes = $3, secret_at = now()
  WHERE id = $1 AND disabled_at IS NULL RETURNING ${COLUMNS}`;
const SET_SCOPES = `
  UPDATE oauth_clients SET scopes = $2 WHERE id = $1 AND disabled_at IS NULL RETURNING ${COLUMNS}`;
const DISABLE = `
  UPDATE oauth_clients SET disabled_at = coalesce(disabled_at, now()) WHERE id = $1 RETURNING ${COLUMNS}`;

const ALL = `SELECT ${COLUMNS} FROM oauth_clients ORDER BY id FOR UPDATE`;
const SET_MACS = `UPDATE oauth_clients SET macs = $2 WHERE id = $1`;

/** Sorts before every id. */
const FIRST = '00000000-0000-0000-0000-000000000000';

/** The topic of the change feed for the clients. */
export const CLIENTS_TOPIC = 'clients';

type Row = OAuthClient & Record<string, unknown>;

/** Who makes a change, and from where. */
export interface Doer {
  /** The administrator; undefined for the command line. */
  readonly actorId?: string;
  readonly origin: Origin;
}

/** All SQL of the service clients. Audits each change in the same transaction. */
@Injectable()
export class OAuthClientStore {
  constructor(
    private readonly database: Database,
    private readonly state: ServiceStateStore,
    private readonly audit: AuditStore,
    private readonly trust: OAuthClientTrust,
  ) {}

  /** Every client, locked until the transaction ends. */
  lockAll(sql: Sql): Promise<OAuthClient[]> {
    return sql.query<Row>(ALL);
  }

  /** Afterwards the client's row has a MAC over its content. */
  async vouch(sql: Sql, client: OAuthClient): Promise<void> {
    await sql.query(SET_MACS, [client.id, JSON.stringify(this.trust.macsOf(client))]);
  }

  async find(id: string): Promise<OAuthClient | undefined> {
    return (await this.database.query<Row>(FIND, [id]))[0];
  }

  /** The clients with an id after `after`, by id. */
  list(limit: number, after: string | undefined): Promise<OAuthClient[]> {
    return this.database.query<Row>(LIST, [after ?? FIRST, limit]);
  }

  async insert(
    { id, name, secretHash, scopes }: Pick<OAuthClient, 'id' | 'name' | 'secretHash' | 'scopes'>,
    doer: Doer,
  ): Promise<OAuthClient> {
    return this.database.transaction(
      async (sql) => (await this.change(sql, 'created', INSERT, [id, name, secretHash, scopes], doer))!,
    );
  }

  /**
   * Afterwards only the new secret is valid. A client whose row this service did not write has the default scopes afterwards. Undefined for
   * a client that is unknown or disabled.
   */
  renew(id: string, secretHash: Buffer, doer: Doer): Promise<OAuthClient | undefined> {
    return this.transaction(async (sql) => {
      const [before] = await sql.query<Row>(LOCK, [id]);
      if (before === undefined) return undefined;
      const scopes = this.trust.isOurs(before) ? before.scopes : DEFAULT_SCOPES;
      return this.change(sql, 'renewed', RENEW, [id, secretHash, scopes], doer);
    });
  }

  /**
   * Replaces the scopes of a client. Returns undefined for an unknown or disabled client. Changes nothing if this service did not write the
   * client's row.
   */
  setScopes(
    id: string,
    scopes: readonly ClientScope[],
    doer: Doer,
  ): Promise<OAuthClient | 'not_ours' | undefined> {
    return this.transaction(async (sql) => {
      const [before] = await sql.query<Row>(LOCK, [id]);
      if (before === undefined || before.disabledAt !== null) return undefined;
      if (!this.trust.isOurs(before)) return 'not_ours';
      return this.change(sql, 'scopes', SET_SCOPES, [id, scopes], doer);
    });
  }

  /** Disables a client. Returns undefined for an unknown one. A repeated call changes nothing. */
  disable(id: string, doer: Doer): Promise<OAuthClient | undefined> {
    return this.transaction((sql) => this.change(sql, 'disabled', DISABLE, [id], doer));
  }

  /** Changes clients that may follow the stream of revocations. Locks the service state first, as the start of a node does. */
  private transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.transaction(async (sql) => {
      await this.state.bump(sql, CLIENTS_TOPIC);
      return work(sql);
    });
  }

  private async change(
    sql: Sql,
    cause: string,
    statement: string,
    values: readonly unknown[],
    { actorId, origin }: Doer,
  ): Promise<OAuthClient | undefined> {
    const [client] = await sql.query<Row>(statement, values);
    if (client === undefined) return undefined;
    await this.vouch(sql, client);
    const detail = { client_id: client.id, name: client.name, scopes: client.scopes };
    await this.audit.add({ event: 'client', cause, actorId, detail }, origin, sql);
    return client;
  }
}
