import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import type { Role } from '../../common/role.js';
import type { Revoker } from './refresh-token.store.js';

/** A live session that is not linked to a token family, as lists contain it. */
export interface ListedSession {
  /** A UUID that reveals nothing about the session's own id. */
  readonly id: string;
  readonly user_id: string;
  readonly external_id: string | null;
  readonly username: string;
  readonly role: Role;
  /** The session's own id. It never leaves the service. */
  readonly sid: string;
  readonly last_used_at: Date;
  readonly expires_at: Date;
}

/** Selects the sessions that match all given conditions. */
export interface SessionFilter {
  readonly userId?: string | undefined;
  readonly role?: Role | undefined;
  readonly usedSince?: Date | undefined;
  readonly usedBefore?: Date | undefined;
}

/** One page of sessions. */
export interface SessionPage {
  readonly sessions: readonly ListedSession[];
  /** The id after which the next page begins. Null on the last page. */
  readonly next: string | null;
}

/** A session or family that a family was exchanged from, or was downgraded from or to. */
export interface LinkedLogin {
  readonly kind: 'exchanged_from' | 'downgraded_to' | 'downgraded_from';
  readonly scheme: 'bearer' | 'session';
  /** The id; for a session, the one that lists contain. */
  readonly id: string;
  readonly live: boolean;
}

/** The sessions of users, for the lists of devices and token families. */
export interface SessionDirectory {
  /** The user's sessions, at most 200. */
  ofUser(userId: string): Promise<readonly ListedSession[]>;
  /** The matching sessions. `after`: the `next` of the previous page. Throws 400 for an unknown one. */
  page(limit: number, after: string | undefined, filter: SessionFilter): Promise<SessionPage>;
  /** The number of matching sessions. Stops at `most`. */
  count(filter: SessionFilter, most: number | undefined): Promise<number>;
  /** Returns the sessions and families that the family was exchanged from, or downgraded from or to. */
  linkedTo(familyId: string): Promise<readonly LinkedLogin[]>;
  /** Revokes one of the user's sessions. False if the user has none with this id. */
  revokeOf(userId: string, id: string, origin: Origin): Promise<boolean>;
  /** Revokes a session that a list has shown. False if no list has shown this id, or if the session names no user. */
  revoke(id: string, origin: Origin, by: Revoker): Promise<boolean>;
}

/** The directory without the transition: there are no sessions. */
const NO_SESSIONS: SessionDirectory = {
  ofUser: () => Promise.resolve([]),
  page: () => Promise.resolve({ sessions: [], next: null }),
  count: () => Promise.resolve(0),
  linkedTo: () => Promise.resolve([]),
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
