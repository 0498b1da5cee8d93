import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedBinaries } from '../../src/database/embedded/embedded-binaries.js';
import { ensureEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { runAs, serverAccount } from '../../src/database/embedded/embedded-process.js';
import type { Account } from '../../src/database/embedded/embedded-process.js';

export interface StoppedServer {
  /** Start the server with `ensureEmbeddedPostgres`. Remove the folder after the test. */
  readonly folder: string;
  readonly cluster: string;
  readonly account: Account;
  /** The program. */
  readonly postgres: string;
}

/** An embedded PostgreSQL server of its own whose role has an attribute that the service's role does not have. It is not running. */
export async function stoppedServer(attribute: 'CREATEROLE' | 'REPLICATION'): Promise<StoppedServer> {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-server-'));
  await chmod(folder, 0o755);
  await (await ensureEmbeddedPostgres(folder, () => {})).release();
  const cluster = join(folder, 'postgres');
  const account = await serverAccount(cluster);
  const { postgres } = await embeddedBinaries(folder, account);
  await runAs(account, postgres, ['--single', '-D', cluster, 'postgres'], `ALTER ROLE tandem ${attribute}\n`);
  return { folder, cluster, account, postgres };
}
