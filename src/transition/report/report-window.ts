import { refuse } from '../../common/common.errors.js';

const MINUTE = 60;
const HOUR = 3_600;
export const DAY = 86_400;

/** Intervals of `from` seconds that are older than `age` seconds are merged into intervals of `to` seconds. */
export interface Step {
  readonly from: number;
  readonly to: number;
  readonly age: number;
}

/** Requests: by second for ten minutes, by minute for three days, then by hour. */
export const BUCKET_STEPS: readonly Step[] = [
  { from: 1, to: MINUTE, age: 10 * MINUTE },
  { from: MINUTE, to: HOUR, age: 3 * DAY },
];

/** Users: by hour for three days, then by day. By minute there would be too many rows. */
export const USE_SPAN = HOUR;
export const USE_STEPS: readonly Step[] = [{ from: USE_SPAN, to: DAY, age: 3 * DAY }];

/** Days after which everything is deleted. */
export const RETENTION_DAYS = 92;

/** The longest interval, in seconds, that requests of this age (seconds) may have been merged into. */
export function bucketSpanAt(age: number): number {
  return spanAt(BUCKET_STEPS, age);
}

/** The length of the buckets of a report, in seconds, by the age of its start (seconds): a minute within the last hour. */
export function reportSpanAt(age: number): number {
  return age < HOUR ? MINUTE : spanAt(USE_STEPS, age);
}

function spanAt(steps: readonly Step[], age: number): number {
  return steps.findLast((step) => age >= step.age)?.to ?? steps[0]!.from;
}

/** Milliseconds. */
const DEFAULT_LENGTH = DAY * 1000;

/** Milliseconds on the database's clock. `until` is not included. */
export interface Window {
  readonly since: number;
  readonly until: number;
}

/** The requested window and the window that is reported. */
export interface ReportWindow {
  readonly asked: Window;
  /** Extended to whole intervals of the age. */
  readonly counted: Window;
  /** The length of a bucket in seconds. There are at most a hundred buckets. */
  readonly bucket: number;
}

/**
 * Returns the window of a query. Throws 400 `validation_failed` for an empty window or one that is too long. `now`: on the database's
 * clock.
 */
export function reportWindow(
  since: string | undefined,
  until: string | undefined,
  now: number,
): ReportWindow {
  // The clock of a client may run ahead. Nothing is counted in the future.
  const end = Math.min(until === undefined ? now : Date.parse(until), now);
  const begin = since === undefined ? end - DEFAULT_LENGTH : Date.parse(since);
  if (begin >= now) throw invalid('since', 'since must be in the past');
  if (begin >= end) throw invalid('since', 'since must be before until');
  if (end - begin > RETENTION_DAYS * DAY * 1000)
    throw invalid('since', `since must be at most ${RETENTION_DAYS} days before until`);
  const span = (time: number) => bucketSpanAt((now - time) / 1000) * 1000;
  return {
    asked: { since: begin, until: end },
    counted: {
      since: Math.floor(begin / span(begin)) * span(begin),
      until: Math.min(Math.ceil(end / span(end)) * span(end), now),
    },
    bucket: reportSpanAt((now - begin) / 1000),
  };
}

function invalid(field: string, message: string) {
  return refuse('validation_failed', { errors: [{ field, message }] });
}
