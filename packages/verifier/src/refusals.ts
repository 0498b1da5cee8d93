/** The status and public text of a refusal. */
export interface RefusalKind {
  readonly status: number;
  /** The public text. It is the same for every occurrence, and dull, so that it tells an attacker nothing. */
  readonly title: string;
}

/** Refusals of access tokens (RFC 6750, section 3.1). */
export const ACCESS_TOKEN_ERRORS = {
  token_missing: { status: 401, title: 'An access token is required' },
  token_malformed: { status: 401, title: 'The access token is malformed' },
  token_invalid: { status: 401, title: 'The access token is not valid' },
  token_expired: { status: 401, title: 'The access token has expired' },
  token_revoked: { status: 401, title: 'The access token has been revoked' },
} as const satisfies Record<string, RefusalKind>;

/** The other refusals of a request that asks for a principal. */
export const ACCESS_ERRORS = {
  session_invalid: { status: 401, title: 'The session is not valid' },
  sessions_brownout: { status: 401, title: 'Sessions are switched off for a short time' },
  sessions_removed: { status: 401, title: 'Sessions are no longer accepted' },
  forbidden: { status: 403, title: 'Not allowed' },
  cross_site_request: { status: 403, title: 'Requests from another site are not accepted here' },
  service_unavailable: { status: 503, title: 'Temporarily unavailable' },
} as const satisfies Record<string, RefusalKind>;

export type AccessTokenErrorCode = keyof typeof ACCESS_TOKEN_ERRORS;

/** The challenge of a 401 without a token (RFC 6750, section 3: no error code). */
const PLAIN_CHALLENGE = 'Bearer realm="tandem"';

/** The value of `WWW-Authenticate` for a refusal with status 401. It names an error only if an access token was presented. */
export function challengeFor(code: string): string {
  const kind = code === 'token_missing' ? undefined : kindOf(ACCESS_TOKEN_ERRORS, code);
  return kind === undefined
    ? PLAIN_CHALLENGE
    : `${PLAIN_CHALLENGE}, error="invalid_token", error_description="${kind.title}"`;
}

/** The public text of a code. A code of a later release of the service gets the text of its status. */
export function titleOf(code: string, status: number): string {
  const kind = kindOf(ACCESS_TOKEN_ERRORS, code) ?? kindOf(ACCESS_ERRORS, code);
  return kind?.title ?? (status === 401 ? 'Authentication is needed' : ACCESS_ERRORS.forbidden.title);
}

function kindOf(table: Readonly<Record<string, RefusalKind>>, code: string): RefusalKind | undefined {
  return Object.hasOwn(table, code) ? table[code] : undefined;
}
