import pg from 'pg';
import type { DatabaseEndpoint } from './database-endpoint.js';

export interface EndpointClientConfig extends pg.ClientConfig {
  readonly endpoint: DatabaseEndpoint;
}

/** A connection to the primary of an endpoint, which may name several hosts. If it fails to open, the next one asks all hosts again. */
export class EndpointClient extends pg.Client {
  protected readonly endpoint: DatabaseEndpoint;

  constructor({ endpoint, ...config }: EndpointClientConfig) {
    super({ ...config, connectionString: endpoint.url });
    this.endpoint = endpoint;
    // An idle connection that breaks emits an error, which would end the process without a listener.
    this.on('error', () => undefined);
  }

  override connect(): Promise<pg.Client>;
  override connect(callback: (error?: Error) => void): void;
  override connect(callback?: (error?: Error) => void): Promise<pg.Client> | void {
    const connecting = this.open();
    if (callback === undefined) return connecting;
    connecting.then(
      () => callback(),
      (error: Error) => callback(error),
    );
  }

  protected async open(): Promise<pg.Client> {
    const host = await this.endpoint.writableHost();
    Object.assign(this, host);
    try {
      await super.connect();
      await this.opened();
      return this;
    } catch (error) {
      this.endpoint.forget(host);
      this.end().catch(() => undefined);
      throw error;
    }
  }

  /** Prepares a new connection before anybody may use it. If it throws, the connection is closed. */
  protected async opened(): Promise<void> {}
}
