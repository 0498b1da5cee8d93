/** How many calls are admitted in any window of that many seconds. Both are whole numbers of 1 or more. */
export interface Quota {
  readonly limit: number;
  readonly windowSeconds: number;
}

/**
 * A limit of up to this many calls is exact to the microsecond. Above it, the calls of one slot (the window divided by this) share
 * a log entry that expires with the slot's last moment. Such a limit reopens up to one slot late, never early.
 */
export const SLOTS = 30;

/** A quota as SQL parameters. Times in microseconds. */
export interface QuotaTerms {
  readonly limit: number;
  readonly window: number;
  readonly slot: number;
}

export function termsOf({ limit, windowSeconds }: Quota): QuotaTerms {
  const window = windowSeconds * 1_000_000;
  return { limit, window, slot: limit <= SLOTS ? 1 : Math.ceil(window / SLOTS) };
}

/** The log of one key as a statement found or left it. Times in microseconds of the database's clock. */
export interface LimitLog {
  readonly ends: readonly number[];
  readonly hits: readonly number[];
  readonly now: number;
}

/** The calls in `log` that still count, and the milliseconds until fewer do. */
export function usage(log: LimitLog, quota: Quota): { readonly used: number; readonly resetMs: number } {
  const window = quota.windowSeconds * 1_000_000;
  const live = log.ends
    .map((end, index) => ({ leaves: end + window - log.now, hits: log.hits[index] ?? 0 }))
    .filter(({ leaves }) => leaves > 0);
  const used = live.reduce((sum, { hits }) => sum + hits, 0);
  let left = used;
  for (const { leaves, hits } of live) {
    left -= hits;
    if (left < quota.limit) return { used, resetMs: Math.ceil(leaves / 1000) };
  }
  return { used, resetMs: 0 };
}

/** The answer to one more call. */
export interface LimitOutcome extends Quota {
  readonly allowed: boolean;
  /** Further calls that would be admitted now. */
  readonly remaining: number;
  /** Milliseconds until more is admitted than now; 0 if nothing has been used. */
  readonly resetMs: number;
  /** Milliseconds until a call can be admitted; 0 if this one was. */
  readonly retryAfterMs: number;
}

export function allowed(quota: Quota, remaining: number, resetMs: number): LimitOutcome {
  return { allowed: true, ...quota, remaining, resetMs, retryAfterMs: 0 };
}

export function refused(quota: Quota, retryAfterMs: number): LimitOutcome {
  return { allowed: false, ...quota, remaining: 0, resetMs: retryAfterMs, retryAfterMs };
}

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10: quota, window, remaining, seconds until more
 * is available), and the three plain fields of its earlier drafts, which simple clients read. A refusal has `Retry-After`.
 */
export function rateLimitHeaders(
  bucket: string,
  outcome: Omit<LimitOutcome, 'retryAfterMs'>,
): Record<string, string> {
  const { limit, remaining, windowSeconds } = outcome;
  // Rounded up and at least 1, so that a client that waits for this time is not early.
  const reset = Math.max(1, Math.ceil(outcome.resetMs / 1000));
  return {
    'RateLimit-Policy': `"${bucket}";q=${limit};w=${windowSeconds}`,
    RateLimit: `"${bucket}";r=${remaining};t=${reset}`,
    'RateLimit-Limit': String(limit),
    'RateLimit-Remaining': String(remaining),
    'RateLimit-Reset': String(reset),
    ...(outcome.allowed ? {} : { 'Retry-After': String(reset) }),
  };
}
