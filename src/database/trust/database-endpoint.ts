import pg from 'pg';
import { databaseAddress } from '../../config/database-address.js';
import type { DatabaseHost } from '../../config/database-address.js';
import { identifyServer } from './server-identity.js';
import type { ServerIdentity } from './server-identity.js';
import { TrustedDatabase, UntrustedDatabase } from './trusted-database.js';

/** Shorter than the 2 s that a pool waits for a connection. */
const PROBE_TIMEOUT_MS = 1_000;

/** The hosts of the database URL, and what this process has learned about the database behind them. */
export class DatabaseEndpoint {
  /** The URL in the form that node-postgres accepts. */
  readonly url: string;
  readonly trust = new TrustedDatabase();
  private readonly hosts: readonly DatabaseHost[];
  private chosen: Promise<DatabaseHost> | undefined;

  constructor(private readonly given: string) {
    const address = databaseAddress(given);
    this.url = address?.url ?? given;
    this.hosts = address?.hosts ?? [];
  }

  /** The same hosts, with nothing learned yet. */
  withoutTrust(): DatabaseEndpoint {
    return new DatabaseEndpoint(this.given);
  }

  /** The host to write to, out of several. Undefined if there is only the one in the URL. The answer is cached. */
  async writableHost(): Promise<DatabaseHost | undefined> {
    if (this.hosts.length === 0) return undefined;
    const choosing = (this.chosen ??= this.choose());
    choosing.catch(() => {
      if (this.chosen === choosing) this.chosen = undefined;
    });
    return choosing;
  }

  /** The host failed, so the next connection asks all hosts again. */
  forget(host: DatabaseHost | undefined): void {
    if (host !== undefined) this.chosen = undefined;
  }

  /** Asks all hosts at once. If there are several primaries, chooses the one that was promoted last. */
  private async choose(): Promise<DatabaseHost> {
    const answers = await Promise.allSettled(this.hosts.map((host) => this.ask(host)));
    const [best] = answers
      .flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      .toSorted((a, b) => b.identity.timeline - a.identity.timeline);
    if (best !== undefined) return best.host;
    const faults = answers.flatMap((answer) =>
      answer.status === 'rejected' ? [answer.reason as Error] : [],
    );
    const why = this.hosts
      .map(({ host, port }, index) => `${host}:${port}: ${faults[index]!.message}`)
      .join('; ');
    const untrusted = faults.find((fault) => fault instanceof UntrustedDatabase);
    if (untrusted !== undefined) this.trust.note(untrusted);
    throw new Error(`Connection failed to every host of the database: ${why}`, {
      cause: untrusted ?? faults[0],
    });
  }

  private async ask(host: DatabaseHost): Promise<{ host: DatabaseHost; identity: ServerIdentity }> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'tandem-probe',
      connectionTimeoutMillis: PROBE_TIMEOUT_MS,
      query_timeout: PROBE_TIMEOUT_MS,
    });
    client.on('error', () => undefined);
    Object.assign(client, host);
    try {
      await client.connect();
      const identity = await identifyServer(client);
      const distrust = this.trust.check(identity);
      if (distrust !== undefined) throw new UntrustedDatabase(distrust);
      return { host, identity };
    } finally {
      client.end().catch(() => undefined);
    }
  }
}
