/**
 * The setting that is the likely cause of a refused session. `other_secret` and `other_cookie` need no valid signature, so anybody can
 * cause them. Anybody who can get a session of the product can cause the others.
 */
export type SettingCause =
  /** The session is live and names a user whom Tandem does not know. */
  | 'unknown_user'
  /** The session is live and names nobody at SESSION_USER_KEY. */
  | 'no_user'
  /** The cookie's signature fits neither SESSION_SECRET nor SESSION_SECRET_PREVIOUS. */
  | 'other_secret'
  /** The signature is right, but the table has no such session, and Tandem has never seen it. */
  | 'other_table'
  /** The session is live, its user is an administrator, and the product began it. */
  | 'administrator'
  /** The cookie does not have the form of a signed cookie. */
  | 'other_cookie';

/** The cause of requests that were refused during a flood and were not examined. */
export const NOT_EXAMINED = 'not_examined';

/** What the database holds about a session whose cookie is signed. */
export interface SessionFacts {
  /** The table has a row. */
  readonly stored: boolean;
  /** Whether Tandem created, exchanged or revoked the session. */
  readonly known: boolean;
  /** Whether the session has neither expired nor been revoked. */
  readonly live: boolean;
  /** The user that the row names; null if it names none. */
  readonly name: string | null;
  /** The user; null if it is unknown. */
  readonly userId: string | null;
  readonly disabled: boolean;
  /** Whether the session may sign in its user. False for an administrator's session that the product created. */
  readonly signsIn: boolean;
}

/** Returns the setting that caused the refusal of a session with a valid signature; undefined if the refusal was intended. */
export function settingBehind(facts: SessionFacts): SettingCause | undefined {
  if (!facts.stored) return facts.known ? undefined : 'other_table';
  if (!facts.live) return undefined;
  if (facts.name === null) return 'no_user';
  if (facts.userId === null) return 'unknown_user';
  return facts.disabled || facts.signsIn ? undefined : 'administrator';
}
