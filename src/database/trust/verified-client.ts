import { settingsSql, takeTimeouts } from './connection-settings.js';
import { EndpointClient } from './endpoint-client.js';
import type { EndpointClientConfig } from './endpoint-client.js';
import { identifyServer } from './server-identity.js';
import type { ServerIdentity } from './server-identity.js';

/** Milliseconds until a connection must be open, unless its configuration says otherwise. */
export const CONNECT_TIMEOUT_MS = 2_000;

/**
 * A connection that opens only if it leads to the database that this process trusts. It gets its search path and its timeouts after it has
 * connected, because PgBouncer refuses them in the startup packet.
 */
export class VerifiedClient extends EndpointClient {
  private readonly settings: string;
  private verified: { readonly identity: ServerIdentity; readonly epoch: number } | undefined;

  constructor({ endpoint, ...config }: EndpointClientConfig) {
    const { timeouts, rest } = takeTimeouts(config);
    super({ connectionTimeoutMillis: CONNECT_TIMEOUT_MS, ...rest, endpoint });
    this.settings = settingsSql(endpoint.schema, timeouts);
  }

  /** False if the server or the database has changed since the connection was verified. Then the connection must be closed. */
  get isTrusted(): boolean {
    return this.verified?.epoch === this.endpoint.trust.epoch;
  }

  /** The server of this open connection. */
  get identity(): ServerIdentity {
    return this.verified!.identity;
  }

  /** Verifies the database again, by the result of a later query. Throws {@link UntrustedDatabase} if it must not be used any more. */
  recheck(now: Pick<ServerIdentity, 'readOnly' | 'installation'>): void {
    this.endpoint.trust.recheck(this.identity, now);
  }

  protected override async open() {
    await this.endpoint.isPooled();
    return super.open();
  }

  /** Throws {@link UntrustedDatabase}. */
  protected override async opened(): Promise<void> {
    const identity = await identifyServer(this, this.settings);
    this.verified = { identity, epoch: this.endpoint.trust.admit(identity) };
  }
}
