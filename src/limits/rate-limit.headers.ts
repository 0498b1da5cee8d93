import type { LimitOutcome } from './limit-outcome.js';

/** Whole seconds, rounded up and at least 1, so that a client which waits that long is not early. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10: quota, window, remaining, seconds until more
 * is available), and the three plain fields of its earlier drafts, which simple clients read. A refusal has `Retry-After`.
 */
export function rateLimitHeaders(
  bucket: string,
  outcome: Omit<LimitOutcome, 'retryAfterMs'>,
): Record<string, string> {
  const { allowed, limit, remaining, windowSeconds } = outcome;
  const reset = wholeSeconds(outcome.resetMs);
  return {
    'RateLimit-Policy': `"${bucket}";q=${limit};w=${windowSeconds}`,
    RateLimit: `"${bucket}";r=${remaining};t=${reset}`,
    'RateLimit-Limit': String(limit),
    'RateLimit-Remaining': String(remaining),
    'RateLimit-Reset': String(reset),
    ...(allowed ? {} : { 'Retry-After': String(reset) }),
  };
}
