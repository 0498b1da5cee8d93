/**
 * Why a login was cut off although its credential was ours, had not expired, and nobody had ended it. What else a refusal can
 * mean (logout, revoke, theft, expiry, a disabled user, a distrusted key, drain, a brownout, the sunset, a forgery) is on purpose and
 * has no cause here.
 */
export type LogoutCause =
  // Access tokens.
  /** Its key is not in the ring any more, and was not distrusted. */
  | 'key_removed'
  /** Its key was distrusted, and the refusal did not say that it was revoked: clients do not refresh then. */
  | 'key_distrusted'
  /** JWT_ISSUER or JWT_AUDIENCE is another one than it was minted with. */
  | 'issuer_changed'
  | 'audience_changed'
  /** Refused as expired before its time, by the database's clock. */
  | 'expired_early'
  /** Refused as revoked while its login lives. */
  | 'revoked_without_ending'
  // Access and refresh tokens.
  /** The login's row is gone, and no event of the audit trail ended it. */
  | 'login_missing'
  /** The login's row says that it ended, but not why: nothing of the service did that. */
  | 'ended_without_reason'
  // Refresh tokens.
  /** It was made with a JWT_SECRET that this node has neither as the present nor as the previous one. */
  | 'secret_changed'
  /** It is ahead of its login's row: the database has forgotten a refresh. */
  | 'refresh_forgotten'
  /** Taken for stolen inside the windows in which its successor is given again. */
  | 'reuse_in_window'
  /** Its user is not eligible for tokens, and `drain` is off: what is in use is taken from nobody then. */
  | 'not_enabled'
  // Sessions.
  /** Its cookie was signed with another SESSION_SECRET than this node's. */
  | 'session_secret_changed'
  /** The session names a user whom nobody knows here. */
  | 'session_user_unknown'
  // Any.
  /** Nothing is wrong with it. */
  | 'unexplained';

/** A refused credential that was looked at again: cut off, and whose it was, or rightly refused. */
export type Judgement =
  { readonly cause: LogoutCause; readonly subject: string; readonly userId: string | undefined } | undefined;
