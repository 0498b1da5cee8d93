import type { Database } from '../../database/database.js';
import type { VerifiedClient } from '../../database/trust/verified-client.js';
import { serverOf } from '../../database/trust/trusted-database.js';
import type { RevocationStore, FeedPage } from './revocation.store.js';

/** Shorter than the lease, so that a poll can be repeated in time. */
const QUERY_TIMEOUT_MS = 600;

/**
 * The connection over which a node reads the feed and listens for hints. It is outside the pool, which may be exhausted. Any failure
 * closes it, and the next poll opens another. A timeout closes a connection whose network link is dead.
 */
export class FeedConnection {
  private client: VerifiedClient | undefined;

  constructor(
    private readonly database: Database,
    private readonly store: RevocationStore,
    private readonly onHint: () => void,
  ) {}

  /** Opens a connection unless a trusted one is open. Returns the server. If it has changed, read the feed from its start. */
  async open(): Promise<string> {
    if (this.client?.isTrusted !== true) {
      this.close();
      this.client = await this.connect();
    }
    return serverOf(this.client.identity);
  }

  /**
   * Reads a page, as {@link RevocationStore.read}. Throws if the connection is not open, or {@link UntrustedDatabase} if the database is no
   * longer trusted.
   */
  async read(seen: string, next?: string): Promise<FeedPage> {
    const { client } = this;
    if (client?.isTrusted !== true) throw new Error('the connection of the feed is closed');
    try {
      const page = await this.store.read(client, seen, next);
      client.recheck(page);
      return page;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    const client = this.client;
    this.client = undefined;
    // Not awaited: the link may be dead.
    client?.end().catch(() => undefined);
  }

  private async connect(): Promise<VerifiedClient> {
    const client = this.database.ownClient({
      application_name: 'tandem-feed',
      connectionTimeoutMillis: QUERY_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      statement_timeout: QUERY_TIMEOUT_MS,
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
