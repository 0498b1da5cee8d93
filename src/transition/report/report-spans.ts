const MINUTE = 60;
const HOUR = 3_600;
export const DAY = 86_400;

/** From what age on (seconds) stretches of `from` seconds are added up to stretches of `to`. */
export interface Step {
  readonly from: number;
  readonly to: number;
  readonly age: number;
}

/** Requests: by the second for ten minutes, by the minute for three days, then by the hour. */
export const BUCKET_STEPS: readonly Step[] = [
  { from: 1, to: MINUTE, age: 10 * MINUTE },
  { from: MINUTE, to: HOUR, age: 3 * DAY },
];

/** Users: by the hour for three days, then by the day. By the minute they would be too many to look through. */
export const USE_SPAN = HOUR;
export const USE_STEPS: readonly Step[] = [{ from: USE_SPAN, to: DAY, age: 3 * DAY }];

/** Days that anything is kept. */
export const RETENTION_DAYS = 92;

/** The stretches, in seconds, that requests may have been added up to at that age (seconds). */
export function bucketSpanAt(age: number): number {
  return spanAt(BUCKET_STEPS, age);
}

/** How long the buckets of a report are that begins so long ago (seconds): a minute within the last hour. */
export function reportSpanAt(age: number): number {
  return age < HOUR ? MINUTE : spanAt(USE_STEPS, age);
}

function spanAt(steps: readonly Step[], age: number): number {
  return steps.findLast((step) => age >= step.age)?.to ?? steps[0]!.from;
}
