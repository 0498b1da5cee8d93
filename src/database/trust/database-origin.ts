import pg from 'pg';
import { databaseAddress } from '../../config/database-address.js';
import type { DatabaseHost } from '../../config/database-address.js';
import { proofOf } from './connection-proof.js';
import type { ConnectionProof } from './connection-proof.js';
import { TrustedDatabase, UntrustedDatabase } from './trusted-database.js';

/** What each of several hosts gets to answer, in milliseconds: a pool waits for a connection for 2 s in all. */
const ANSWER_WITHIN = 1_000;

/** Where the connections of a process lead to: the hosts of its database URL, and what it has learned of the database behind them. */
export class DatabaseOrigin {
  /** As node-postgres takes it. */
  readonly url: string;
  readonly trust = new TrustedDatabase();
  private readonly hosts: readonly DatabaseHost[];
  private chosen: Promise<DatabaseHost> | undefined;

  constructor(private readonly given: string) {
    const address = databaseAddress(given);
    this.url = address?.url ?? given;
    this.hosts = address?.hosts ?? [];
  }

  /** The same place, and nothing known of it yet. */
  unknown(): DatabaseOrigin {
    return new DatabaseOrigin(this.given);
  }

  /** Of several hosts the one to write to; undefined if there is one, which is in the URL. Asks them only if it is not known. */
  async writableHost(): Promise<DatabaseHost | undefined> {
    if (this.hosts.length === 0) return undefined;
    const choosing = (this.chosen ??= this.choose());
    choosing.catch(() => {
      if (this.chosen === choosing) this.chosen = undefined;
    });
    return choosing;
  }

  /** It did not work, so the next connection asks all hosts again. */
  forget(host: DatabaseHost | undefined): void {
    if (host !== undefined) this.chosen = undefined;
  }

  /** All are asked at once. Of several primaries the one that was promoted last counts. */
  private async choose(): Promise<DatabaseHost> {
    const answers = await Promise.allSettled(this.hosts.map((host) => this.ask(host)));
    const [best] = answers
      .flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      .toSorted((a, b) => b.proof.timeline - a.proof.timeline);
    if (best !== undefined) return best.host;
    const faults = answers.flatMap((answer) =>
      answer.status === 'rejected' ? [answer.reason as Error] : [],
    );
    const why = this.hosts
      .map(({ host, port }, index) => `${host}:${port}: ${faults[index]!.message}`)
      .join('; ');
    const untrusted = faults.find((fault) => fault instanceof UntrustedDatabase);
    if (untrusted !== undefined) this.trust.note(untrusted);
    throw new Error(`Connection to none of the database's hosts: ${why}`, { cause: untrusted ?? faults[0] });
  }

  private async ask(host: DatabaseHost): Promise<{ host: DatabaseHost; proof: ConnectionProof }> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'tandem-probe',
      connectionTimeoutMillis: ANSWER_WITHIN,
      query_timeout: ANSWER_WITHIN,
    });
    client.on('error', () => undefined);
    Object.assign(client, host);
    try {
      await client.connect();
      const proof = await proofOf(client);
      const distrust = this.trust.judge(proof);
      if (distrust !== undefined) throw new UntrustedDatabase(distrust);
      return { host, proof };
    } finally {
      client.end().catch(() => undefined);
    }
  }
}
