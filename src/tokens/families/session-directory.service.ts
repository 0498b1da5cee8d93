import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';

/** A live session that is not linked to a token family, as lists contain it. */
export interface ListedSession {
  /** A UUID that reveals nothing about the session's own id. */
  readonly id: string;
  readonly user_id: string;
  readonly external_id: string | null;
  readonly username: string;
  /** The session's own id. It never leaves the service. */
  readonly sid: string;
  readonly last_used_at: Date;
  readonly expires_at: Date;
}

/** One page of sessions. */
export interface SessionPage {
  readonly sessions: readonly ListedSession[];
  /** The id after which the next page begins. Null on the last page. */
  readonly next: string | null;
}

/** The sessions of users, for the lists of devices and token families. */
export interface SessionDirectory {
  /** The user's sessions, at most 200. */
  ofUser(userId: string): Promise<readonly ListedSession[]>;
  /** The sessions of all users, or of one. `after`: the `next` of the previous page. Throws 400 for an unknown one. */
  page(limit: number, after: string | undefined, userId: string | undefined): Promise<SessionPage>;
  /** Revokes one of the user's sessions. False if the user has none with this id. */
  revokeOf(userId: string, id: string, origin: Origin): Promise<boolean>;
  /** Revokes a session that a list has shown. False if no list has shown this id, or if the session names no user. */
  revoke(id: string, origin: Origin, actorId: string): Promise<boolean>;
}

/** Without the transition there are no sessions. */
const NO_SESSIONS: SessionDirectory = {
  ofUser: () => Promise.resolve([]),
  page: () => Promise.resolve({ sessions: [], next: null }),
  revokeOf: () => Promise.resolve(false),
  revoke: () => Promise.resolve(false),
};

/** Gives the lists the sessions of users, if there are sessions. */
@Injectable()
export class SessionDirectoryService {
  private directory = NO_SESSIONS;

  /** Adds sessions to the lists. The composition module calls it before the service starts. */
  use(directory: SessionDirectory): void {
    this.directory = directory;
  }

  get sessions(): SessionDirectory {
    return this.directory;
  }
}
