import pg from 'pg';
import type { ClientConfig } from 'pg';
import { proofOf } from './connection-proof.js';
import type { ConnectionProof } from './connection-proof.js';
import type { DatabaseOrigin } from './database-origin.js';

export interface ProvenClientConfig extends ClientConfig {
  readonly origin: DatabaseOrigin;
}

/** A connection that is open once it has proved that it leads to the database that this process may believe. */
export class ProvenClient extends pg.Client {
  private readonly origin: DatabaseOrigin;
  private proven: { readonly proof: ConnectionProof; readonly epoch: number } | undefined;

  constructor({ origin, ...config }: ProvenClientConfig) {
    super({ ...config, connectionString: origin.url });
    this.origin = origin;
    // A connection that breaks while nobody asks it anything emits an error that, unheard, would end the process.
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

  /** False if there has been news of the database since the connection proved itself: it must be closed. */
  get isTrusted(): boolean {
    return this.proven?.epoch === this.origin.trust.epoch;
  }

  /** Of an open connection. */
  get proof(): ConnectionProof {
    return this.proven!.proof;
  }

  /** What a statement has learned of the database since the proof. Throws {@link UntrustedDatabase}. */
  confirm(now: Pick<ConnectionProof, 'readOnly' | 'state'>): void {
    this.origin.trust.confirm(this.proof, now);
  }

  private async open(): Promise<pg.Client> {
    const host = await this.origin.writableHost();
    Object.assign(this, host);
    try {
      await super.connect();
      const proof = await proofOf(this);
      this.proven = { proof, epoch: this.origin.trust.admit(proof) };
      return this;
    } catch (error) {
      this.origin.forget(host);
      this.end().catch(() => undefined);
      throw error;
    }
  }
}
