import { useState } from 'react';
import { serviceNow } from '../../api/clock.js';
import { CALM_MS, useRead } from '../../api/queries.js';
import { plural } from '../../ui/text.js';
import { date } from '../../ui/times.js';
import { FEWEST_DAYS, daysIn, forecastOf, leftAt, reportStart } from './forecast.js';
import type { Forecast } from './forecast.js';

/** The report is about whole days, so it rarely changes. */
const EVERY_MS = 60 * CALM_MS;

/** When nobody will use a session any more, and how many users a sunset before that would reach. */
export function ForecastText({ sunset }: { readonly sunset: string | null }) {
  const [since] = useState(() => reportStart(serviceNow()));
  const report = useRead('GET /admin/rollout/report', { query: { since }, every: EVERY_MS });
  if (report.data === undefined) return <>{report.error === null ? '…' : '–'}</>;
  const forecast = forecastOf(daysIn(report.data), serviceNow());
  const left = leftAt(forecast, sunset, serviceNow());
  return (
    <>
      {wordsFor(forecast)}
      {left !== undefined && (
        <span className="muted"> At the sunset, about {plural(left, 'user')} would be left.</span>
      )}
    </>
  );
}

function wordsFor(forecast: Forecast): string {
  switch (forecast.outcome) {
    case 'nobody':
      return 'Nobody used a session on the last whole day.';
    case 'too_few_days':
      return `Not enough data: ${plural(forecast.days, 'whole day')} of ${FEWEST_DAYS}.`;
    case 'not_falling':
      return 'The number of users with sessions does not clearly fall: no date can be told.';
    case 'far_away':
      return 'At the present rate, no end within two years can be told.';
    case 'date':
      return (
        `At the rate of the last ${forecast.days} days, nobody is left on ${date(forecast.at)} ` +
        `(95 %: ${date(forecast.earliest)} to ${date(forecast.latest)}).`
      );
  }
}
