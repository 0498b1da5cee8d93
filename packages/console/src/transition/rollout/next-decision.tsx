import { useAction } from '../../api/actions.js';
import { call } from '../../api/call.js';
import type { PlanViewDto, ComparisonDto, RolloutDto } from '../../api/openapi.js';
import { When } from '../../ui/bits.js';
import { ErrorNotice } from '../../ui/notice.js';
import { useNow } from '../../ui/now.js';
import { number } from '../../ui/text.js';
import { duration } from '../../ui/times.js';
import { phaseName } from './words.js';

interface Props {
  readonly rollout: RolloutDto;
  readonly plan: PlanViewDto;
  readonly waiting: ComparisonDto['waiting'];
}

/** What the plan does next, in words, with the figures that it waits for; hold and resume. */
export function NextDecision({ rollout, plan, waiting }: Props) {
  const { status: _status, ...settings } = plan;
  const running = plan.status.state === 'running';
  const change = useAction((enabled: boolean) =>
    call('PUT /admin/rollout/plan', { body: { ...settings, enabled } }),
  );
  return (
    <section className="next card" aria-labelledby="next">
      <div className="next-words">
        <h2 id="next">What happens next</h2>
        <Words rollout={rollout} plan={plan} />
        {waiting !== null && running && (
          <div className="progress">
            <progress
              value={Math.min(waiting.have, waiting.need)}
              max={waiting.need}
              aria-label="Requests to judge by"
            />
            <span>
              {number(waiting.have)} of {number(waiting.need)} requests
            </span>
          </div>
        )}
        {change.error !== undefined && <ErrorNotice error={change.error} />}
      </div>
      {plan.steps.length > 0 && plan.status.state !== 'finished' && (
        <button type="button" aria-disabled={change.running} onClick={() => change.run(!running)}>
          {running ? 'Hold' : 'Start the plan'}
        </button>
      )}
    </section>
  );
}

function Words({ rollout, plan: { steps, status } }: Omit<Props, 'waiting'>) {
  const now = useNow();
  const { next } = status;
  const step = status.step === null ? undefined : steps[status.step];
  if (status.state === 'running') {
    if (next.action === 'wait' && step !== undefined && status.since !== null) {
      const left = Date.parse(status.since) + step.soak_seconds * 1000 - now;
      const following = steps[status.step! + 1];
      return (
        <p>
          The plan watches {step.percentage} % for another <strong>{duration(left)}</strong>. If tokens do no
          worse than sessions, it then{' '}
          {following === undefined ? 'finishes' : `advances to ${following.percentage} %`}.
        </p>
      );
    }
    if (next.action === 'hold')
      return (
        <p>
          The plan holds at {step?.percentage ?? rollout.percentage} %: there is {next.why}.
        </p>
      );
    if (next.action === 'roll_back') return <p>The plan rolls back now: {next.why}.</p>;
    if (next.action === 'advance' && next.percentage !== null)
      return (
        <p>
          The plan advances to <strong>{next.percentage} %</strong> now: {next.why}.
        </p>
      );
    return <p>The plan runs: {next.why}.</p>;
  }
  if (status.state === 'rolled_back')
    return (
      <p>
        The plan rolled back {status.since !== null && <When at={status.since} />}: {status.why}. Nothing
        advances until you start it again.
      </p>
    );
  if (status.state === 'finished')
    return <p>The plan is finished: {status.why}. You decide about the next phase.</p>;
  if (status.state === 'paused')
    return <p>The plan is paused: {status.why}. Nothing advances until you start it again.</p>;
  if (rollout.phase === 'deprecation_notice' && rollout.sunset_at !== null)
    return (
      <p>
        Sessions end <When at={rollout.sunset_at} />, on <When at={rollout.sunset_at} exact />. Users who
        still have one are signed out then.
      </p>
    );
  if (rollout.phase === 'sessions_removed')
    return <p>Nothing: the rollout is complete. Sessions are refused.</p>;
  return (
    <p>
      Nothing by itself: no plan is running in the phase “{phaseName(rollout.phase)}”. You decide about each
      step.
    </p>
  );
}
