import type { ClientBase } from 'pg';
import { ConfigurationError } from '../../config/config.js';
import { defaultSchemas } from '../trust/connection-settings.js';
import type { DatabaseEndpoint } from '../trust/database-endpoint.js';
import {
  FIRST_MIGRATION,
  MIGRATIONS_TABLE,
  appliedMigrations,
  isInstalled,
  schemaState,
} from './installation.js';
import { shadowedRoles, shown } from './search-path-conflicts.js';
import type { SchemaState } from './installation.js';

const MIN_SERVER_VERSION = 150_000;

const SELECT_SERVER = `
  SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name,
    current_user::text AS role, current_database()::text AS database,
    has_database_privilege(current_database(), 'CREATE') AS "mayCreate"`;

interface Server {
  readonly version: number;
  readonly name: string;
  readonly role: string;
  readonly database: string;
  readonly mayCreate: boolean;
}

/**
 * Finds what a feature would collide with, one line for each conflict. Changes nothing. `client`: without any setting of this service, and
 * outside a transaction.
 */
export type ConflictCheck = (client: ClientBase) => Promise<readonly string[]>;

/** Throws ConfigurationError with every conflict, see {@link conflictsWith}. */
export async function requireNoConflicts(
  endpoint: DatabaseEndpoint,
  poolSize: number | undefined,
  further?: ConflictCheck,
): Promise<void> {
  const conflicts = await conflictsWith(endpoint, poolSize, further);
  if (conflicts.length > 0) throw new ConfigurationError(conflicts);
}

/**
 * Everything in the database that this service would collide with, one line for each conflict. Changes nothing, not even a setting of the
 * connection. `poolSize`: the connections that the process needs of a pooler; undefined if it needs only a few. `further`: the check of
 * the features.
 */
export async function conflictsWith(
  endpoint: DatabaseEndpoint,
  poolSize: number | undefined,
  further: ConflictCheck = async () => [],
): Promise<string[]> {
  const mode = await faultsOf(() => endpoint.isPooled());
  // Such a pooler may refuse the queries that follow.
  if (mode.length > 0) return [...mode];
  const pooling = poolSize === undefined ? [] : await faultsOf(() => endpoint.allowedPoolSize(poolSize));
  const client = await endpoint.plainClient();
  try {
    return [...pooling, ...(await conflictsInDatabase(client, endpoint.schema)), ...(await further(client))];
  } finally {
    client.end().catch(() => undefined);
  }
}

async function faultsOf(work: () => Promise<unknown>): Promise<readonly string[]> {
  try {
    await work();
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
}

async function conflictsInDatabase(client: ClientBase, schema: string): Promise<string[]> {
  const server = (await client.query<Server>(SELECT_SERVER)).rows[0]!;
  const state = await schemaState(client, schema);
  const old =
    server.version < MIN_SERVER_VERSION
      ? [`DATABASE_URL leads to PostgreSQL ${server.name}: upgrade to PostgreSQL 15 or newer`]
      : [];
  const shadowed = await shadowing(client, schema);
  if (state === undefined) return [...old, ...missing(server, schema), ...shadowed];
  const found = [...ownership(server, schema, state), ...(await foreign(client, schema, state))];
  return [...old, ...found, ...shadowed];
}

/** Later starts, and an upgrade of an earlier release, do not ask: the roles use the database with Tandem's tables already. */
async function shadowing(client: ClientBase, schema: string): Promise<string[]> {
  if (await isInstalled(client, schema)) return [];
  return (await earlierSchema(client, schema)) === undefined ? shadowedRoles(client, schema) : [];
}

function missing({ mayCreate, role, database }: Server, schema: string): string[] {
  if (mayCreate) return [];
  return [
    `DATABASE_SCHEMA: there is no schema "${schema}", and the role "${role}" may not create schemas in the database "${database}": run CREATE SCHEMA ${schema} AUTHORIZATION "${role}"`,
  ];
}

/** Finds roles that could create objects in the schema. Those objects would run with the privileges of this service. */
function ownership({ role }: Server, schema: string, { owner, mine, creators }: SchemaState): string[] {
  const named = `DATABASE_SCHEMA: the schema "${schema}"`;
  return [
    ...(mine ? [] : [`${named} belongs to the role "${owner}", not to "${role}": use a schema of its own`]),
    ...(creators.length === 0
      ? []
      : [
          `${named} lets other roles create objects in it (${creators.join(', ')}): run REVOKE CREATE ON SCHEMA ${schema} FROM ${creators.join(', ')}`,
        ]),
  ];
}

async function foreign(
  client: ClientBase,
  schema: string,
  { relations, others }: SchemaState,
): Promise<string[]> {
  if (relations.length + others.length === 0) return [];
  const applied = await appliedMigrations(client, schema);
  if (applied?.includes(FIRST_MIGRATION)) return [];
  // A first start that is still running in another process, or was killed, has made this table and nothing else yet.
  const tables = applied?.length === 0 ? relations.filter((name) => name !== MIGRATIONS_TABLE) : relations;
  if (tables.length + others.length === 0) return [];
  const [what, names] = tables.length > 0 ? ['tables', tables] : ['functions or types', others];
  return [
    `DATABASE_SCHEMA: the schema "${schema}" contains ${what} that are not Tandem's (${shown(names)}): use a schema of its own`,
  ];
}

/** The schema on the default search path in which an earlier release keeps its tables. Undefined if nothing must be moved. */
export async function earlierSchema(client: ClientBase, schema: string): Promise<string | undefined> {
  if (await isInstalled(client, schema)) return undefined;
  for (const candidate of await defaultSchemas(client)) {
    if (candidate !== schema && (await isInstalled(client, candidate))) return candidate;
  }
  return undefined;
}
