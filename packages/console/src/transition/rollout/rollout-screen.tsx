import { useState } from 'react';
import { CALM_MS, LIVE_MS, useRead } from '../../api/queries.js';
import { Badge } from '../../ui/bits.js';
import { ErrorNotice, Loading } from '../../ui/notice.js';
import { ScreenFrame } from '../../ui/screen.js';
import { ChangeDialog } from './change-dialog.js';
import { Comparison, healthBadge } from './comparison.js';
import { History } from './history.js';
import { NextDecision } from './next-decision.js';
import { PlanEditor } from './plan-editor.js';
import { RollbackDialog } from './rollback-dialog.js';
import { Track } from './track.js';

type Asked = 'change' | 'rollback' | 'plan';

/** Where the rollout is, what happens next and why, and how tokens compare with sessions. */
export function RolloutScreen() {
  const rollout = useRead('GET /admin/rollout', { every: LIVE_MS });
  const plan = useRead('GET /admin/rollout/plan', { every: CALM_MS });
  const comparison = useRead('GET /admin/rollout/comparison', { every: CALM_MS });
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const error = rollout.error ?? plan.error;
  if (rollout.data === undefined || plan.data === undefined) {
    return (
      <ScreenFrame title="Rollout">
        {error === null ? (
          <Loading />
        ) : (
          <ErrorNotice
            error={error}
            retries={error.isTemporary}
            onRetry={() => void Promise.all([rollout.refetch(), plan.refetch()])}
          />
        )}
      </ScreenFrame>
    );
  }
  const health = healthBadge(comparison.data);
  return (
    <ScreenFrame
      title="Rollout"
      aside={health !== undefined && <Badge tone={health[0]}>{health[1]}</Badge>}
      actions={
        <>
          <button type="button" onClick={() => setAsked('plan')}>
            Edit the plan …
          </button>
          <button type="button" onClick={() => setAsked('rollback')}>
            Roll back …
          </button>
          <button type="button" className="primary" onClick={() => setAsked('change')}>
            Change …
          </button>
        </>
      }
    >
      {error !== null && (
        <ErrorNotice error={error} retries={error.isTemporary} onRetry={() => void rollout.refetch()} />
      )}
      <Track rollout={rollout.data} plan={plan.data} />
      <NextDecision rollout={rollout.data} plan={plan.data} waiting={comparison.data?.waiting ?? null} />
      <Comparison read={comparison} />
      <History />
      {asked === 'change' && <ChangeDialog rollout={rollout.data} plan={plan.data} onClose={close} />}
      {asked === 'rollback' && <RollbackDialog rollout={rollout.data} onClose={close} />}
      {asked === 'plan' && <PlanEditor plan={plan.data} onClose={close} />}
    </ScreenFrame>
  );
}
