import type { Database } from '../../database/database.js';
import type { ProvenClient } from '../../database/trust/proven-client.js';
import { serverOf } from '../../database/trust/trusted-database.js';
import type { RevocationStore, FeedPage } from './revocation.store.js';

/** The longest that a look at the feed may take, in milliseconds: shorter than the lease, so that it can be repeated. */
const TIMEOUT = 600;

/**
 * The one connection over which a node follows the feed: looks, and listens for hints to look now. Any failure closes
 * it, the next look opens another; a link that is dead without saying so ends in a time-out.
 */
export class FeedConnection {
  private client: ProvenClient | undefined;

  constructor(
    private readonly database: Database,
    private readonly onHint: () => void,
  ) {}

  /** Opens it unless it is open and trusted. Returns the server that it leads to: on another one a look begins at the beginning. */
  async open(): Promise<string> {
    if (this.client?.isTrusted !== true) {
      this.close();
      this.client = await this.connect();
    }
    return serverOf(this.client.proof);
  }

  /** Throws if it is not open, and {@link UntrustedDatabase} if there is news of the database that makes it unfit. */
  async read(store: RevocationStore, from: string): Promise<FeedPage> {
    const { client } = this;
    if (client?.isTrusted !== true) throw new Error('the connection of the feed is closed');
    try {
      const page = await store.read(client, from);
      client.confirm(page);
      return page;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    const client = this.client;
    this.client = undefined;
    // The socket may lead nowhere: nobody waits for the goodbye.
    client?.end().catch(() => undefined);
  }

  private async connect(): Promise<ProvenClient> {
    const client = this.database.ownClient({
      application_name: 'tandem-feed',
      connectionTimeoutMillis: TIMEOUT,
      query_timeout: TIMEOUT,
      statement_timeout: TIMEOUT,
      keepAlive: true,
    });
    client.on('error', () => {
      if (this.client === client) this.close();
    });
    client.on('notification', this.onHint);
    try {
      await client.connect();
      await client.query('LISTEN tandem');
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
    return client;
  }
}
