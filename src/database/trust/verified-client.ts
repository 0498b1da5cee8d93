import pg from 'pg';
import type { ClientConfig } from 'pg';
import { settingsSql, takeTimeouts } from './connection-settings.js';
import { identifyServer } from './server-identity.js';
import type { ServerIdentity } from './server-identity.js';
import type { DatabaseEndpoint } from './database-endpoint.js';

export interface VerifiedClientConfig extends ClientConfig {
  readonly endpoint: DatabaseEndpoint;
}

/**
 * A connection that opens only if it leads to the database that this process trusts. It gets its search path and its timeouts after it has
 * connected, because PgBouncer refuses them in the startup packet.
 */
export class VerifiedClient extends pg.Client {
  private readonly endpoint: DatabaseEndpoint;
  private readonly settings: string;
  private verified: { readonly identity: ServerIdentity; readonly epoch: number } | undefined;

  constructor({ endpoint, ...config }: VerifiedClientConfig) {
    const { timeouts, rest } = takeTimeouts(config);
    super({ ...rest, connectionString: endpoint.url });
    this.endpoint = endpoint;
    this.settings = settingsSql(endpoint.schema, timeouts);
    // An idle connection that breaks emits an error, which would end the process without a listener.
    this.on('error', () => undefined);
  }

  /** Throws {@link UntrustedDatabase}. */
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

  /** False if the server or the database has changed since the connection was verified. Then the connection must be closed. */
  get isTrusted(): boolean {
    return this.verified?.epoch === this.endpoint.trust.epoch;
  }

  /** The server of this open connection. */
  get identity(): ServerIdentity {
    return this.verified!.identity;
  }

  /** Checks what a later statement says about the database. Throws {@link UntrustedDatabase} if it has become unfit. */
  confirm(now: Pick<ServerIdentity, 'readOnly' | 'state'>): void {
    this.endpoint.trust.confirm(this.identity, now);
  }

  private async open(): Promise<pg.Client> {
    await this.endpoint.isPooled();
    const host = await this.endpoint.writableHost();
    Object.assign(this, host);
    try {
      await super.connect();
      const identity = await identifyServer(this, this.settings);
      this.verified = { identity, epoch: this.endpoint.trust.admit(identity) };
      return this;
    } catch (error) {
      this.endpoint.forget(host);
      this.end().catch(() => undefined);
      throw error;
    }
  }
}
