import { TransientError } from '../../common/transient-error.js';
import type { ServerIdentity } from './server-identity.js';

/** The reason why a connection must not be used. */
export type Distrust = 'standby' | 'read_only' | 'other_database' | 'old_primary';

const MESSAGES: Record<Distrust, string> = {
  standby: 'the database server is a standby: it accepts no writes and may lack recent logouts',
  read_only: 'the database is read-only (default_transaction_read_only)',
  other_database:
    'this is not the database that this process started with, or it has been restored: restart the process if you replaced the database on purpose',
  old_primary: 'the database server is an old primary: a standby has been promoted in its place',
};

/** The error of a connection to a server or a database that this process must not trust. */
export class UntrustedDatabase extends TransientError {
  constructor(readonly reason: Distrust) {
    super(MESSAGES[reason]);
  }
}

/**
 * Decides which connections a process may use. A connection is verified once, when it opens. If the server or the database changes, all
 * open connections must be replaced.
 *
 * All connections must lead to the database of the first connection. When a standby is promoted, it replaces the old primary. From then on
 * the old primary is refused, even if it still runs.
 */
export class TrustedDatabase {
  private known: ServerIdentity | undefined;
  private lastDistrust: Distrust | undefined;
  private current = 0;

  /** The reason why the last connection was refused; undefined if it was accepted. */
  get distrust(): Distrust | undefined {
    return this.lastDistrust;
  }

  /** The number of times that the trusted server has changed. A connection that was verified in an earlier epoch must not be used. */
  get epoch(): number {
    return this.current;
  }

  /** Returns the reason why a connection to this server must not be used, or undefined if it may be used. */
  reasonToRefuse(identity: ServerIdentity): Distrust | undefined {
    if (identity.standby) return 'standby';
    if (identity.readOnly) return 'read_only';
    if (this.known === undefined) return undefined;
    if (
      this.known.installation !== null &&
      (identity.installation !== this.known.installation || identity.cluster !== this.known.cluster)
    )
      return 'other_database';
    return identity.timeline < this.known.timeline ? 'old_primary' : undefined;
  }

  /** Accepts a new connection and returns its epoch. Throws {@link UntrustedDatabase}. */
  admit(identity: ServerIdentity): number {
    this.throwIfRefused(this.reasonToRefuse(identity));
    const { known } = this;
    if (known !== undefined && serverOf(known) !== serverOf(identity)) this.current += 1;
    this.known = identity;
    return this.current;
  }

  /**
   * Verifies an open connection again. If it must not be used, all open connections become untrusted, and {@link UntrustedDatabase} is
   * thrown.
   */
  recheck(identity: ServerIdentity, now: Pick<ServerIdentity, 'readOnly' | 'installation'>): void {
    const distrust = this.reasonToRefuse({ ...identity, ...now });
    if (distrust !== undefined) this.current += 1;
    this.throwIfRefused(distrust);
  }

  /** Records that a connection was refused before it could be admitted. */
  note({ reason }: UntrustedDatabase): void {
    this.lastDistrust = reason;
  }

  private throwIfRefused(distrust: Distrust | undefined): void {
    this.lastDistrust = distrust;
    if (distrust !== undefined) throw new UntrustedDatabase(distrust);
  }
}

/** Returns an id of the running server. It differs after a restart, because a restarted server may have lost commits. */
export function serverOf({ cluster, timeline, started }: ServerIdentity): string {
  return `${cluster} ${timeline} ${started}`;
}
