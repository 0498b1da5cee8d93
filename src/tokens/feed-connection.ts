import pg from 'pg';
import type { RevocationStore, FeedPage } from './revocation.store.js';

/** The longest that a look at the feed may take, in milliseconds: shorter than the lease, so that it can be repeated. */
const TIMEOUT = 600;

/**
 * The one connection over which a node follows the feed: looks, and listens for hints to look now. Any failure closes
 * it, the next look opens another; a link that is dead without saying so ends in a time-out.
 */
export class FeedConnection {
  private client: pg.Client | undefined;

  constructor(
    private readonly url: string,
    private readonly onHint: () => void,
  ) {}

  async read(store: RevocationStore, from: string): Promise<FeedPage> {
    try {
      this.client ??= await this.open();
      return await store.read(this.client, from);
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

  private async open(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.url,
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
