import { refuse } from '../../common/common.errors.js';
import { bucketSpanAt, RETENTION_DAYS, reportSpanAt } from './report-spans.js';

const DAY = 86_400_000;

/** What is reported when nothing is asked for, in milliseconds. */
const USUAL = DAY;

/** Milliseconds, on the database's clock: from `since` until just before `until`. */
export interface Window {
  readonly since: number;
  readonly until: number;
}

/** What was asked for, and what can be told of it. */
export interface ReportWindow {
  readonly asked: Window;
  /** Widened to the stretches that are kept of so long ago. */
  readonly counted: Window;
  /** Seconds of each bucket: so many that there are a hundred at most. */
  readonly bucket: number;
}

/** Throws 400 `validation_failed` for a window that is none, or is too long. `now`: on the database's clock. */
export function reportWindow(
  since: string | undefined,
  until: string | undefined,
  now: number,
): ReportWindow {
  // Clients' clocks run ahead: what lies in the future has not been counted yet.
  const end = Math.min(until === undefined ? now : Date.parse(until), now);
  const begin = since === undefined ? end - USUAL : Date.parse(since);
  if (begin >= now) throw invalid('since', 'since must be in the past');
  if (begin >= end) throw invalid('since', 'since must be before until');
  if (end - begin > RETENTION_DAYS * DAY)
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
