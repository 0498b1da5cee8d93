import type pg from 'pg';
import { databaseAddress } from '../../config/database-address.js';
import type { DatabaseHost } from '../../config/database-address.js';
import { DEFAULT_SCHEMA, settingsSql } from './connection-settings.js';
import { plainClient, requireConnections, requireSessionMode } from './pooler.js';
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
  private pooled: Promise<boolean> | undefined;
  private allowed: number | undefined;

  /** `schema`: where the tables of this service are. */
  constructor(
    private readonly given: string,
    readonly schema: string = DEFAULT_SCHEMA,
  ) {
    const address = databaseAddress(given);
    this.url = address?.url ?? given;
    this.hosts = address?.hosts ?? [];
  }

  /** Returns a copy with the same hosts that has not trusted any server yet. */
  withoutTrust(): DatabaseEndpoint {
    const copy = new DatabaseEndpoint(this.given, this.schema);
    copy.pooled = this.pooled;
    return copy;
  }

  /** Opens a client of the writable host, without any setting. */
  async plainClient(): Promise<pg.Client> {
    return plainClient({ connectionString: this.url }, await this.writableHost())();
  }

  /**
   * Returns whether connections go through a pooler. The answer is cached. Throws ConfigurationError if the pooler is in transaction or
   * statement mode: then no connection may change settings.
   */
  async isPooled(): Promise<boolean> {
    const open = () => this.plainClient();
    const asking = (this.pooled ??= requireSessionMode(open));
    asking.catch(() => {
      if (this.pooled === asking) this.pooled = undefined;
    });
    return asking;
  }

  /**
   * Returns how many connections the pool may have, beside one for the revocation feed. Throws ConfigurationError if a pooler allows fewer
   * than `poolSize`. Without a pooler, `max_connections` is the limit, and the doctor checks it.
   */
  async allowedPoolSize(poolSize: number): Promise<number> {
    if (!(await this.isPooled())) return poolSize;
    this.allowed ??= await requireConnections(() => this.plainClient(), poolSize, poolSize + 1);
    return Math.min(poolSize, this.allowed - 1);
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
    const client = await plainClient({ connectionString: this.url }, host, PROBE_TIMEOUT_MS)();
    try {
      const identity = await identifyServer(client, settingsSql(this.schema, {}, 'transaction'));
      const distrust = this.trust.reasonToRefuse(identity);
      if (distrust !== undefined) throw new UntrustedDatabase(distrust);
      return { host, identity };
    } finally {
      client.end().catch(() => undefined);
    }
  }
}
