/**
 * The number of every advisory lock that this service takes. PostgreSQL shares these numbers across the whole database, so each lock
 * has its own. Nodes of other versions use them too: never change a number and never reuse one.
 *
 * The functions below are the only place that writes a lock statement.
 */
export const ADVISORY_LOCKS = {
  /** One node applies migrations; the others wait. */
  migrations: '7264001',
  /** One transaction at a time creates the first users or removes an admin. */
  admins: '7264002',
  /** One import writes at a time: two imports with the same users in another order would deadlock. */
  imports: '7264003',
  /** One node builds the index on the users of sessions. */
  sessionUserIndex: '7264004',
  /** One node at a time decides whether users who are missing in the users source are gone. */
  missingUsers: '7264041',
  /** One node removes expired rows. */
  cleanUp: '7365224901',
  /** One node seals audit events. */
  sealing: '7365224902',
} as const;

export type AdvisoryLock = keyof typeof ADVISORY_LOCKS;

/** Waits for the lock and holds it until the transaction ends. */
export const lockForTransaction = (lock: AdvisoryLock) =>
  `SELECT pg_advisory_xact_lock(${ADVISORY_LOCKS[lock]})`;

/** Takes the lock, if it is free, until the transaction ends. Returns one row: `{ acquired: boolean }`. */
export const tryLockForTransaction = (lock: AdvisoryLock) =>
  `SELECT pg_try_advisory_xact_lock(${ADVISORY_LOCKS[lock]}) AS acquired`;

/** Takes the lock, if it is free, until {@link unlockSession} or the end of the connection. Returns one row: `{ acquired: boolean }`. */
export const tryLockForSession = (lock: AdvisoryLock) =>
  `SELECT pg_try_advisory_lock(${ADVISORY_LOCKS[lock]}) AS acquired`;

export const unlockSession = (lock: AdvisoryLock) => `SELECT pg_advisory_unlock(${ADVISORY_LOCKS[lock]})`;
