/** How many calls are admitted in any window of that many seconds. Both are whole numbers of 1 or more. */
export interface Quota {
  readonly limit: number;
  readonly windowSeconds: number;
}

/** What came of asking for one more call. */
export interface LimitOutcome extends Quota {
  readonly allowed: boolean;
  /** Further calls that would be admitted now. */
  readonly remaining: number;
  /** Milliseconds until more is admitted than now; 0 if nothing has been used. */
  readonly resetMs: number;
  /** Milliseconds until a call can be admitted; 0 if this one was. */
  readonly retryAfterMs: number;
}

/** The log of a subject as a statement found or left it. Times in microseconds of the database's clock. */
export interface LimitLog {
  readonly ends: readonly number[];
  readonly hits: readonly number[];
  readonly now: number;
}

/** The calls in `log` that still count, and how long until fewer do. */
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

export function allowed(quota: Quota, remaining: number, resetMs: number): LimitOutcome {
  return { allowed: true, ...quota, remaining, resetMs, retryAfterMs: 0 };
}

export function refused(quota: Quota, retryAfterMs: number): LimitOutcome {
  return { allowed: false, ...quota, remaining: 0, resetMs: retryAfterMs, retryAfterMs };
}
