import { TransientError } from '../../common/transient-error.js';
import type { ServerIdentity } from './server-identity.js';

/** Why a connection must not be used. */
export type Distrust = 'standby' | 'read_only' | 'other_database' | 'old_primary';

const MESSAGES: Record<Distrust, string> = {
  standby: 'the database server is a standby: it accepts no writes and may lack recent logouts',
  read_only: 'the database is read-only (default_transaction_read_only)',
  other_database:
    'this is not the database that this process started with, or it has been restored: restart the process if that is intended',
  old_primary: 'the database server is an old primary: a standby has been promoted in its place',
};

/** A connection leads to a server or a database that this process must not trust. */
export class UntrustedDatabase extends TransientError {
  constructor(readonly reason: Distrust) {
    super(MESSAGES[reason]);
  }
}

/**
 * Decides which connections a process may use. A connection is verified once, when it opens. If the server or the database changes, all
 * open connections must be replaced.
 *
 * All connections must lead to the database of the first connection. When a standby was promoted, it replaces the old primary. From then
 * on the old primary is refused, even if it still runs.
 */
export class TrustedDatabase {
  private known: ServerIdentity | undefined;
  private lastDistrust: Distrust | undefined;
  private current = 0;

  /** Why the last connection was refused; undefined if it was not. */
  get distrust(): Distrust | undefined {
    return this.lastDistrust;
  }

  /** Connections that were verified in an earlier epoch must not be used. */
  get epoch(): number {
    return this.current;
  }

  /** Why a connection must not be used; undefined if it may be used. */
  check(identity: ServerIdentity): Distrust | undefined {
    if (identity.standby) return 'standby';
    if (identity.readOnly) return 'read_only';
    if (this.known === undefined) return undefined;
    if (
      this.known.state !== null &&
      (identity.state !== this.known.state || identity.place !== this.known.place)
    )
      return 'other_database';
    return identity.timeline < this.known.timeline ? 'old_primary' : undefined;
  }

  /** Returns the epoch that the connection belongs to. Throws {@link UntrustedDatabase}. */
  admit(identity: ServerIdentity): number {
    this.refuse(this.check(identity));
    const { known } = this;
    if (known !== undefined && serverOf(known) !== serverOf(identity)) this.current += 1;
    this.known = identity;
    return this.current;
  }

  /** Checks what an open connection says now. Throws {@link UntrustedDatabase}; then no open connection is trusted. */
  confirm(identity: ServerIdentity, now: Pick<ServerIdentity, 'readOnly' | 'state'>): void {
    const distrust = this.check({ ...identity, ...now });
    if (distrust !== undefined) this.current += 1;
    this.refuse(distrust);
  }

  /** Records that a connection was refused before it could be admitted. */
  note({ reason }: UntrustedDatabase): void {
    this.lastDistrust = reason;
  }

  private refuse(distrust: Distrust | undefined): void {
    this.lastDistrust = distrust;
    if (distrust !== undefined) throw new UntrustedDatabase(distrust);
  }
}

/** Identifies a running server. Another server, or the same one after a restart, may have lost commits. */
export function serverOf({ place, timeline, started }: ServerIdentity): string {
  return `${place} ${timeline} ${started}`;
}
