import type { Origin } from '../../../audit/audit-context.js';
import type { Role } from '../../../common/role.js';
import type { Sql } from '../../../database/database.js';
import type { StoredCookie } from './express-session.codec.js';
import type { ProvableSession } from './session-origin.service.js';

/** A live session as one statement saw it. Times in milliseconds, on the database's clock. */
export interface LiveSession {
  readonly sid: string;
  readonly userId: string;
  readonly role: Role;
  readonly externalId: string | null;
  /** How the session names the user. As long as the user's epoch is the same, this names the same user. */
  readonly name: string;
  readonly epoch: number;
  /** The linked family. */
  readonly familyId: string | null;
  readonly expiresAt: number;
  /** When the session ends at the latest, however often it is used; null if there is no limit. */
  readonly endsAt: number | null;
  readonly cookie: StoredCookie;
  /** The `originalMaxAge` of its cookie in milliseconds; null if that is not a number. */
  readonly maxAge: number | null;
  /** Whether it came from a downgrade, and nothing shows yet that its client received it. */
  readonly unseen: boolean;
  readonly now: number;
}

export interface NewSession {
  readonly sid: string;
  readonly userId: string;
  /** The session as express-session keeps it. */
  readonly sess: object;
  /** Milliseconds. */
  readonly expiresAt: number;
  /** The Set-Cookie lines of the product that created the session. If they are undefined, Tandem writes the cookie. */
  readonly setCookies?: readonly string[];
}

/** A session that has to live until then at least. */
export interface SessionExtension {
  readonly sid: string;
  readonly until: Date;
}

/** A live session that no live family is linked to. Times in milliseconds, on the database's clock. */
export interface UnlinkedSession extends ProvableSession {
  readonly externalId: string | null;
  readonly username: string;
  readonly expiresAt: number;
  /** `cookie.originalMaxAge` as text. Another application may have written anything. */
  readonly maxAge: string | null;
  readonly now: number;
}

/** The state of the session that is linked to a family. */
export interface LinkState {
  readonly sid: string;
  /**
   * Whether another application ended the session: its row was deleted before it expired, or names another user now. Also true if its user
   * has become an administrator, whom a session of the product does not sign in.
   */
  readonly lost: boolean;
  /** Whether the session has not expired. */
  readonly live: boolean;
}

/** What a batch of linked sessions needs. */
export interface Sweep {
  /** Where the next batch begins; null after the last one. */
  readonly next: string | null;
  /** Families whose session another application ended. */
  readonly lost: readonly string[];
  /** Sessions that another application has shortened. They have to live as long as their families. */
  readonly short: readonly SessionExtension[];
}

/**
 * The sessions, wherever the product keeps them: SESSION_STORE. The product writes and deletes them too. Which sessions are linked or
 * revoked is in Tandem's own tables, for every store. Methods that need the store answer 503 while it is unavailable.
 */
export abstract class SessionStore {
  /**
   * Returns a live session. Undefined if there is no session of that id, if it has expired or was revoked, or if its user is unknown or
   * disabled. Also undefined if the user is an administrator and the product began the session.
   */
  abstract live(sid: string): Promise<LiveSession | undefined>;

  /** Returns the session like {@link live}, in a transaction of a request that has called `live` before. */
  abstract liveIn(sql: Sql, sid: string): Promise<LiveSession | undefined>;

  /** The user whom a session names if it would be live with a known and enabled user. */
  abstract userNamedBy(sid: string): Promise<string | undefined>;

  /** The cookie of a session in any state, as express-session keeps it. */
  abstract cookieOf(sid: string, sql?: Sql): Promise<StoredCookie | undefined>;

  /** The cookie of the session that is linked to the family. */
  abstract cookieOfFamily(sql: Sql, familyId: string): Promise<StoredCookie | undefined>;

  /** False, and nothing written, if the user's epoch has changed since or the user is disabled. Audited. */
  abstract create(session: NewSession, epoch: number, origin: Origin): Promise<boolean>;

  /**
   * Adds a session in a transaction that has locked the user's row. Returns it as the product's store keeps it: the product may choose its
   * id, its expiry and its cookie.
   */
  abstract insert<Session extends NewSession>(sql: Sql, session: Session): Promise<Session>;

  /** The Set-Cookie lines with which the product began the session. Undefined: Tandem writes its cookie. */
  abstract setCookiesOf(sid: string): Promise<readonly string[] | undefined>;

  /**
   * Moves the expiry to `expiresAt` if it is before `unless`. May change nothing while another request extends it. Returns the session's
   * cookie if it changed the expiry.
   */
  abstract touch(sid: string, expiresAt: number, unless: number): Promise<StoredCookie | undefined>;

  /** Extends those live sessions that would expire earlier. Never throws. */
  abstract extend(extensions: readonly SessionExtension[]): Promise<void>;

  /**
   * Extends the session to `until` (milliseconds) at least, in the transaction that links it. False if the product ended it or changed its
   * user. If the product ends it from then on, {@link sweep} and {@link stateOf} find it lost.
   */
  abstract hold(sql: Sql, sid: string, userId: string, until: number): Promise<boolean>;

  /** Deletes revoked sessions. No revocation depends on it. Never throws. */
  abstract remove(sids: readonly string[]): Promise<void>;

  /**
   * Refuses all sessions of the users that began before and that Tandem does not know, in the transaction that revokes the users. The
   * caller revokes those that it knows.
   */
  abstract refuseUnseen(sql: Sql, userIds: readonly string[]): Promise<void>;

  /** Deletes the revoked sessions, and those that {@link refuseUnseen} refuses, after the commit of a revocation. Never throws. */
  abstract clear(sids: readonly string[]): Promise<void>;

  /** Deletes sessions that were revoked in the last `seconds` or have reached their end, and that the product wrote again. */
  abstract removeRevived(seconds: number, batch: number): Promise<void>;

  /** Deletes at most `batch` sessions that expired a minute ago or longer. */
  abstract removeExpired(batch: number): Promise<void>;

  /**
   * The user's sessions that no live family is linked to, at most 200: those that this service began, then those that live longest. Without
   * sessions that are refused because the product began them for an administrator.
   */
  abstract ofUser(userId: string): Promise<UnlinkedSession[]>;

  /** The state of the session that is linked to the family. Undefined for an unlinked family. */
  abstract stateOf(familyId: string): Promise<LinkState | undefined>;

  /** Looks at the next linked sessions, at most `batch`, in the order of their families, after that family. */
  abstract sweep(after: string, batch: number): Promise<Sweep>;
}
