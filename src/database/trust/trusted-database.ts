import { TransientError } from '../../common/transient-error.js';
import type { ConnectionProof } from './connection-proof.js';

/** Why a connection must not be used. */
export type Distrust = 'standby' | 'read_only' | 'other_database' | 'old_primary';

const MESSAGES: Record<Distrust, string> = {
  standby: 'the database server is a standby: it takes no writes and may not know of a logout yet',
  read_only: 'the database is read-only (default_transaction_read_only)',
  other_database:
    'this is not the database that this process started with, or it has been restored: restart it if that is intended',
  old_primary: 'the database server is an old primary: a standby has been promoted in its place',
};

/** A connection leads to a server or a database that must not be believed. */
export class UntrustedDatabase extends TransientError {
  constructor(readonly reason: Distrust) {
    super(MESSAGES[reason]);
  }
}

/**
 * What a process knows of its database, and so which connections it may use. A connection proves itself once, when it is opened; if
 * there is news of the server or the database, all that are open have to be replaced by others, which prove themselves again.
 *
 * All connections lead to one database: the first. A server that was promoted takes the place of the one before it, which is
 * refused from then on even if it lives.
 */
export class TrustedDatabase {
  private known: ConnectionProof | undefined;
  private lastDistrust: Distrust | undefined;
  private current = 0;

  /** Why the last connection was refused; undefined if it was not. */
  get distrust(): Distrust | undefined {
    return this.lastDistrust;
  }

  /** Connections that proved themselves in an earlier epoch must not be used any more. */
  get epoch(): number {
    return this.current;
  }

  /** Undefined: the connection may be used. */
  judge(proof: ConnectionProof): Distrust | undefined {
    if (proof.standby) return 'standby';
    if (proof.readOnly) return 'read_only';
    if (this.known === undefined) return undefined;
    if (this.known.state !== null && (proof.state !== this.known.state || proof.place !== this.known.place))
      return 'other_database';
    return proof.timeline < this.known.timeline ? 'old_primary' : undefined;
  }

  /** Returns the epoch that the connection belongs to. Throws {@link UntrustedDatabase}. */
  admit(proof: ConnectionProof): number {
    this.refuse(this.judge(proof));
    const { known } = this;
    if (known !== undefined && serverOf(known) !== serverOf(proof)) this.current += 1;
    this.known = proof;
    return this.current;
  }

  /** What a connection in use has learned since. Throws {@link UntrustedDatabase}, and then no open connection is trusted. */
  confirm(proof: ConnectionProof, now: Pick<ConnectionProof, 'readOnly' | 'state'>): void {
    const distrust = this.judge({ ...proof, ...now });
    if (distrust !== undefined) this.current += 1;
    this.refuse(distrust);
  }

  /** That a connection was refused before it could be admitted. */
  note({ reason }: UntrustedDatabase): void {
    this.lastDistrust = reason;
  }

  private refuse(distrust: Distrust | undefined): void {
    this.lastDistrust = distrust;
    if (distrust !== undefined) throw new UntrustedDatabase(distrust);
  }
}

/** The running server: another one, or the same started again, may have lost what was committed before. */
export function serverOf({ place, timeline, started }: ConnectionProof): string {
  return `${place} ${timeline} ${started}`;
}
