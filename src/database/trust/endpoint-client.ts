import pg from 'pg';
import type { DatabaseEndpoint } from './database-endpoint.js';

export interface EndpointClientConfig extends pg.ClientConfig {
  readonly endpoint: DatabaseEndpoint;
}

/** A connection to the primary of an endpoint, which may name several hosts. If it fails to open, the next one asks all hosts again. */
export class EndpointClient extends pg.Client {
  protected readonly endpoint: DatabaseEndpoint;
  /** Settles when the attempt to connect does. */
  private connecting: Promise<unknown> = Promise.resolve();
  private isEnding = false;

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

  /** Closes the connection. `connect()` fails if it has not finished yet. */
  override end(): Promise<void>;
  override end(callback: (error?: Error) => void): void;
  override end(callback?: (error?: Error) => void): Promise<void> | void {
    this.isEnding = true;
    // pg never settles `connect()` if `end()` is called meanwhile. The attempt has a time limit.
    const ended = this.connecting.then(() => super.end());
    if (callback === undefined) return ended;
    ended.then(
      () => callback(),
      (error: Error) => callback(error),
    );
  }

  protected async open(): Promise<pg.Client> {
    const host = await this.endpoint.writableHost();
    if (this.isEnding) throw new Error('the connection was closed before it was open');
    Object.assign(this, host);
    try {
      const connected = super.connect();
      this.connecting = connected.catch(() => undefined);
      await connected;
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
