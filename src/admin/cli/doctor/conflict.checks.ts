import { poolSizeOf } from '../../../database/data-source-options.js';
import { conflictsWith } from '../../../database/schema/conflicts.js';
import { DatabaseEndpoint } from '../../../database/trust/database-endpoint.js';
import type { ServiceHost } from '../service-host.js';
import { fail, ok, runCheck } from './doctor-check.js';
import type { Finding } from './doctor-check.js';

const CHECK = 'database';

/** Everything in the database that a start would collide with. Changes nothing. */
export async function conflictChecks(host: ServiceHost): Promise<Finding[]> {
  const { databaseSchema, databasePoolSize, workers } = host.config;
  return runCheck(CHECK, 'check DATABASE_URL, and that PostgreSQL is running', async () => {
    const endpoint = new DatabaseEndpoint(await host.databaseUrl(), databaseSchema);
    const conflicts = await conflictsWith(endpoint, poolSizeOf(workers, databasePoolSize), host.conflicts);
    return conflicts.length === 0
      ? [ok(CHECK, `nothing in the database conflicts with the schema "${databaseSchema}"`)]
      : conflicts.map((conflict) =>
          fail(CHECK, conflict, 'a node does not start; see docs/operations/postgresql.md'),
        );
  });
}
