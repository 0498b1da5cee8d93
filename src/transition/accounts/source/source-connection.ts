import pg from 'pg';
import type { DatabaseEndpoint } from '../../../database/trust/database-endpoint.js';

export interface SourceConnectionConfig extends pg.ClientConfig {
  readonly endpoint: DatabaseEndpoint;
}

/** A connection to the product's database. If the URL names several hosts, it is one to the primary: a standby may lag behind. */
export class SourceConnection extends pg.Client {
  private readonly endpoint: DatabaseEndpoint;

  constructor({ endpoint, ...config }: SourceConnectionConfig) {
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

  private async open(): Promise<pg.Client> {
    const host = await this.endpoint.writableHost();
    Object.assign(this, host);
    try {
      await super.connect();
      return this;
    } catch (error) {
      this.endpoint.forget(host);
      throw error;
    }
  }
}
