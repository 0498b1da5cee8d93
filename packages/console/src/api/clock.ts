/** How far the service's clock is ahead of this computer's, in ms. */
let ahead = 0;

/** Learns the service's time from the header `Date` of an answer. It has whole seconds. */
export function learnTime(date: string | null, now = Date.now()): void {
  const time = date === null ? NaN : Date.parse(date);
  // Less than two seconds can be rounding and the time on the way.
  if (!Number.isNaN(time)) ahead = Math.abs(time + 500 - now) < 2_000 ? 0 : time + 500 - now;
}

/** The time at the service in milliseconds, although this computer's clock may be wrong. */
export function serviceNow(now = Date.now()): number {
  return now + ahead;
}
