import { CALM_MS, useRead } from '../../api/queries.js';
import type { ReportDto, RolloutDto } from '../../api/openapi.js';
import { Agent, Fact, Facts, When } from '../../ui/bits.js';
import { Empty, ErrorNotice, Loading } from '../../ui/notice.js';
import { ScreenFrame } from '../../ui/screen.js';
import { number, percent, plural } from '../../ui/text.js';
import { serviceNow } from '../../api/clock.js';
import { dateTime } from '../../ui/times.js';
import { ForecastText } from './forecast-fact.js';
import { Notices } from './notices.js';

/** Who still uses sessions, and what is planned to move them. */
export function LeftScreen() {
  const report = useRead('GET /admin/rollout/report', { every: 2 * CALM_MS });
  const rollout = useRead('GET /admin/rollout', { every: CALM_MS });
  const error = report.error ?? rollout.error;
  return (
    <ScreenFrame title="Who is left">
      {error !== null && (
        <ErrorNotice
          error={error}
          retries={error.isTemporary}
          onRetry={() => void Promise.all([report.refetch(), rollout.refetch()])}
        />
      )}
      {rollout.data !== undefined && <Sunset rollout={rollout.data} report={report.data} />}
      <section aria-labelledby="programs">
        <h2 id="programs">Programs that still use sessions</h2>
        {report.data === undefined ? error === null && <Loading /> : <Programs report={report.data} />}
      </section>
      {report.data !== undefined && report.data.refused_sessions.causes.length > 0 && (
        <Refused report={report.data} />
      )}
      <Notices />
    </ScreenFrame>
  );
}

function Sunset({
  rollout,
  report,
}: {
  readonly rollout: RolloutDto;
  readonly report: ReportDto | undefined;
}) {
  const upcoming = rollout.brownouts.filter(({ to }) => Date.parse(to) > serviceNow());
  return (
    <Facts>
      <Fact name="Users with sessions, last 24 hours">
        {report === undefined ? (
          '…'
        ) : (
          <strong className="figure">{number(report.schemes.session.users)}</strong>
        )}
      </Fact>
      <Fact name="Users with tokens, last 24 hours">
        {report === undefined ? (
          '…'
        ) : (
          <strong className="figure">{number(report.schemes.bearer.users)}</strong>
        )}
      </Fact>
      <Fact name="Sessions end">
        {rollout.sunset_at === null ? (
          'No date is set'
        ) : (
          <>
            <When at={rollout.sunset_at} exact />{' '}
            <span className="muted">
              (<When at={rollout.sunset_at} />)
            </span>
          </>
        )}
      </Fact>
      <Fact name="Forecast">
        <ForecastText sunset={rollout.sunset_at} />
      </Fact>
      <Fact name="Brownouts planned">
        {upcoming.length === 0 ? (
          'None'
        ) : (
          <ul className="plain">
            {upcoming.map(({ from, to }) => (
              <li key={from}>
                {dateTime(from)} to {dateTime(to)}
              </li>
            ))}
          </ul>
        )}
      </Fact>
    </Facts>
  );
}

function Programs({ report: { user_agents: agents, schemes } }: { readonly report: ReportDto }) {
  if (agents.length === 0)
    return (
      <Empty title="Nobody has used a session in the last 24 hours">
        <p>When this stays so, sessions can end.</p>
      </Empty>
    );
  const most = Math.max(...agents.map(({ users }) => users));
  return (
    <div className="table-box">
      <table className="rows">
        <caption className="visually-hidden">
          Programs that used a session in the last 24 hours, most users first
        </caption>
        <thead>
          <tr>
            <th scope="col">Program</th>
            <th scope="col" className="number">
              Users
            </th>
            <th scope="col">
              <span className="visually-hidden">Compared with the others</span>
            </th>
            <th scope="col" className="number">
              Requests
            </th>
            <th scope="col">Last seen</th>
          </tr>
        </thead>
        <tbody>
          {agents.map(({ user_agent: agent, users, requests, last_seen: seen }) => (
            <tr key={agent}>
              <td className="grow">
                <Agent agent={agent} />
              </td>
              <td className="number">
                {number(users)} <span className="phone-only">users</span>
              </td>
              <td className="bar phone-hidden">
                <meter
                  min={0}
                  max={most}
                  value={users}
                  aria-label={`${percent(users / Math.max(1, schemes.session.users))} of the users with sessions`}
                />
              </td>
              <td className="number phone-hidden">{number(requests)}</td>
              <td className="nowrap">
                <When at={seen} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Refused({ report: { refused_sessions: refused } }: { readonly report: ReportDto }) {
  return (
    <section aria-labelledby="refused">
      <h2 id="refused">Sessions that a setting refuses</h2>
      <p className="hint">
        {plural(refused.requests, 'request')}, {percent(refused.share)} of all by session. {refused.note}
      </p>
      <div className="stack">
        {refused.causes.map((cause) => (
          <div key={cause.cause} className="notice warn">
            <p className="notice-title">{cause.likely_cause}</p>
            <p>{cause.advice}</p>
            <p className="muted">
              {plural(cause.requests, 'request')}, last <When at={cause.last_seen} />
            </p>
          </div>
        ))}
      </div>
    </section>
  );
}
