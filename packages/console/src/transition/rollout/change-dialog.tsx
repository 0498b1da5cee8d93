import { useState } from 'react';
import { useAction } from '../../api/actions.js';
import { call } from '../../api/call.js';
import type { PlanViewDto, RolloutDto, RolloutPatchDto } from '../../api/openapi.js';
import { useRead } from '../../api/queries.js';
import { Dialog, DialogButtons } from '../../ui/dialog.js';
import { SelectField, TextField } from '../../ui/field.js';
import { instantOf, localTime } from '../../ui/filter-field.js';
import { Conflict } from './conflict.js';
import { Effect } from './effect.js';
import { PHASES } from './words.js';
import type { Phase } from './words.js';

interface Props {
  readonly rollout: RolloutDto;
  readonly plan: PlanViewDto;
  readonly onClose: () => void;
}

/** Advances or changes the rollout. It says who is affected before anything happens. */
export function ChangeDialog({ rollout, plan, onClose }: Props) {
  // The change is based on what was shown when the dialog opened.
  const [base, setBase] = useState(rollout);
  const [phase, setPhase] = useState<Phase>(() => suggestion(rollout, plan).phase);
  const [percentage, setPercentage] = useState(() => String(suggestion(rollout, plan).percentage));
  const [sunset, setSunset] = useState(rollout.sunset_at ?? '');
  const [drain, setDrain] = useState(rollout.drain);
  const patch = patchOf(base, { phase, percentage: Number(percentage), sunset, drain });
  const save = useAction(
    () => call('PATCH /admin/rollout', { body: { ...patch, version: base.version } }),
    onClose,
  );
  const empty = Object.keys(patch).length === 0;
  const running = plan.status.state === 'running';
  // A conflict shows the current state. The next click changes that.
  const current = useRead('GET /admin/rollout');
  return (
    <Dialog
      title="Change the rollout"
      onClose={onClose}
      onSubmit={() => {
        if (!empty) save.run();
      }}
      wide
    >
      <div className="form-grid">
        <SelectField
          label="Phase"
          value={phase}
          options={PHASES}
          onChange={(event) => setPhase(event.target.value as Phase)}
        />
        {phase === 'gradual_rollout' && (
          <TextField
            label="Percentage of users on tokens"
            type="number"
            min={0}
            max={100}
            step={1}
            required
            value={percentage}
            onChange={(event) => setPercentage(event.target.value)}
          />
        )}
        {phase === 'deprecation_notice' && (
          <TextField
            label="Sunset: sessions end"
            hint="Without a time: in 90 days."
            type="datetime-local"
            value={localTime(sunset)}
            onChange={(event) => setSunset(instantOf(event.target.value))}
          />
        )}
      </div>
      <label className="check-field">
        <input type="checkbox" checked={drain} onChange={(event) => setDrain(event.target.checked)} />
        <span>
          Drain: users who are on tokens but no longer eligible go back to a session at their next refresh.
          Nobody is signed out.
        </span>
      </label>
      {empty ? <p className="muted">Nothing differs from the current state.</p> : <Effect patch={patch} />}
      {running && !empty && <p className="hint">The plan pauses: a change by hand always stops it.</p>}
      {phase === 'sessions_removed' && base.phase !== 'sessions_removed' && (
        <p className="field-error">
          All sessions are refused at once. Users who still have one are signed out.
        </p>
      )}
      <Conflict
        error={save.error}
        onContinue={() => current.data !== undefined && (setBase(current.data), save.reset())}
      />
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="primary" aria-disabled={save.running || empty}>
          {save.running ? 'Changing …' : 'Change'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

/** The next step of the plan, or the next phase. */
export function suggestion(
  { phase, percentage }: RolloutDto,
  { steps }: PlanViewDto,
): { phase: Phase; percentage: number } {
  if (phase === 'off') return { phase: 'internal_beta', percentage };
  if (phase === 'internal_beta') return { phase: 'gradual_rollout', percentage: steps[0]?.percentage ?? 1 };
  if (phase !== 'gradual_rollout') return { phase, percentage };
  const next = steps.find((step) => step.percentage > percentage)?.percentage;
  return { phase, percentage: next ?? Math.min(100, Math.max(1, percentage * 2)) };
}

interface Values {
  readonly phase: Phase;
  readonly percentage: number;
  readonly sunset: string;
  readonly drain: boolean;
}

/** Returns the fields that differ from the current state. */
export function patchOf(base: RolloutDto, { phase, percentage, sunset, drain }: Values): RolloutPatchDto {
  const gradual = phase === 'gradual_rollout';
  // A phase that makes more users eligible needs a percentage.
  const shows = gradual && (phase !== base.phase || percentage !== base.percentage);
  const before = base.sunset_at === null ? '' : new Date(base.sunset_at).toISOString();
  const after = sunset === '' ? '' : new Date(sunset).toISOString();
  return {
    ...(phase === base.phase ? {} : { phase }),
    ...(shows ? { percentage } : {}),
    ...(phase === 'deprecation_notice' && after !== before ? { sunset_at: after === '' ? null : after } : {}),
    ...(drain === base.drain ? {} : { drain }),
  };
}
