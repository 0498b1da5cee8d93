import type { StoredCookie } from '../express-session.codec.js';
import type { NewSession, SessionExtension } from '../session.store.js';

/** A session as the product's store has it now. Nothing in it has been validated: the product may hold anything there. */
export interface RemoteSession {
  readonly sid: string;
  /** The external id or the id of its user. Undefined if it names nobody, or if its content cannot be read. */
  readonly user: string | undefined;
  /** Milliseconds on the database's clock; never later than the true expiry. */
  readonly expiresAt: number;
  readonly cookie: StoredCookie;
}

/** Records sessions as revoked. */
export type EndSessions = (sessions: readonly RemoteSession[]) => Promise<void>;

/**
 * A store of sessions outside of the database. It knows nothing of links and revocations. Every method answers within a bounded time, and
 * throws 503 `service_unavailable` if the store did not.
 */
export abstract class RemoteSessions {
  /** The product may write a deleted session again at the end of a request that began before. */
  abstract readonly revives: boolean;

  /** Tandem can neither extend a session there, nor look at one that no request and no refresh is about. */
  abstract readonly opaque: boolean;

  /** Calls that the store did not answer as it has to, since this node started. */
  abstract readonly failures: number;

  /** Returns the sessions that exist, in one round trip. `again`: ignore answers that are older than the call. */
  abstract find(sids: readonly string[], again?: boolean): Promise<readonly RemoteSession[]>;

  /** Returns the session as the store keeps it. */
  abstract save<Session extends NewSession>(session: Session): Promise<Session>;

  /** The Set-Cookie lines with which the product began the session. Undefined: Tandem writes its cookie. */
  abstract setCookiesOf(sid: string): Promise<readonly string[] | undefined>;

  /** Extends the sessions, shortens none and revives none. Returns those that exist. */
  abstract extend(extensions: readonly SessionExtension[]): Promise<ReadonlySet<string>>;

  abstract delete(sids: readonly string[]): Promise<void>;

  /**
   * Finds every session of these users (by external id and by id) that began before the call, and passes it to `end`. It may pass later
   * ones, too. It takes as long as the store is large.
   */
  abstract endUnseen(names: ReadonlySet<string>, end: EndSessions): Promise<void>;

  /** Reports sessions that may have changed, as far as the store tells. Reconnects when it is called again. Never throws. */
  abstract watch(changed: (sids: readonly string[]) => void): Promise<void>;

  /** The contents of some sessions as text, for the doctor. None if the store cannot list them. */
  abstract sample(limit: number): Promise<readonly string[]>;

  abstract close(): Promise<void>;
}
