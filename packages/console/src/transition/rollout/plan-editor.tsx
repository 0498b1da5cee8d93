import { useState } from 'react';
import { useAction } from '../../api/actions.js';
import { call } from '../../api/call.js';
import type { PlanDto, PlanViewDto } from '../../api/openapi.js';
import { useRead } from '../../api/queries.js';
import { Dialog, DialogButtons } from '../../ui/dialog.js';
import { TextField } from '../../ui/field.js';
import { Conflict } from './conflict.js';
import { bodyOf, draftOf } from './plan-draft.js';
import type { Draft } from './plan-draft.js';

/** Edits the plan. A dry run says what the plan would do now, before it does it. */
export function PlanEditor({ plan, onClose }: { readonly plan: PlanViewDto; readonly onClose: () => void }) {
  const [base, setBase] = useState(plan);
  const [draft, setDraft] = useState(() => draftOf(plan));
  const [dryRun, setDryRun] = useState<string>();
  const current = useRead('GET /admin/rollout/plan');
  const body: PlanDto = { ...bodyOf(draft), revision: base.revision };
  const save = useAction(() => call('PUT /admin/rollout/plan', { body }), onClose);
  const run = useAction(
    () => call('PUT /admin/rollout/plan', { body, query: { dry_run: true } }),
    ({ status }) =>
      setDryRun(
        `${status.next.action === 'none' ? 'Nothing' : status.next.action.replace('_', ' ')}: ${status.next.why}`,
      ),
  );
  const change = (next: Partial<Draft>) => {
    setDraft({ ...draft, ...next });
    setDryRun(undefined);
  };
  const error = save.error ?? run.error;
  return (
    <Dialog title="Edit the plan" onClose={onClose} onSubmit={save.run} wide>
      <p>
        The plan advances by itself while tokens do no worse than sessions, and rolls back if they do. It
        waits until it has enough requests to judge by.
      </p>
      <fieldset className="steps">
        <legend>Steps</legend>
        {draft.steps.map((step, index) => (
          <div key={step.key} className="step">
            <TextField
              label={`Percentage of step ${index + 1}`}
              type="number"
              min={1}
              max={100}
              required
              value={step.percentage}
              onChange={(event) =>
                change({ steps: replaced(draft.steps, index, { percentage: event.target.value }) })
              }
            />
            <TextField
              label={`Hours to watch step ${index + 1}`}
              type="number"
              min={0}
              step="any"
              required
              value={step.hours}
              onChange={(event) =>
                change({ steps: replaced(draft.steps, index, { hours: event.target.value }) })
              }
            />
            <button
              type="button"
              className="quiet"
              aria-label={`Remove step ${index + 1}`}
              onClick={() => change({ steps: draft.steps.filter((_step, at) => at !== index) })}
            >
              Remove
            </button>
          </div>
        ))}
        <button
          type="button"
          onClick={() =>
            change({ steps: [...draft.steps, { key: crypto.randomUUID(), percentage: '', hours: '24' }] })
          }
        >
          Add a step
        </button>
      </fieldset>
      <div className="form-grid">
        <TextField
          label="Requests to judge by"
          hint="Of each scheme, in each step."
          type="number"
          min={1}
          required
          value={draft.minRequests}
          onChange={(event) => change({ minRequests: event.target.value })}
        />
        <TextField
          label="Tolerance, in %"
          hint="By how much tokens may do worse."
          type="number"
          min={0}
          step="any"
          required
          value={draft.tolerance}
          onChange={(event) => change({ tolerance: event.target.value })}
        />
        <TextField
          label="False alarms, in %"
          hint="The chance that a faultless plan is rolled back."
          type="number"
          min={0}
          step="any"
          required
          value={draft.maxFalseAlarm}
          onChange={(event) => change({ maxFalseAlarm: event.target.value })}
        />
      </div>
      <label className="check-field">
        <input
          type="checkbox"
          checked={draft.drain}
          onChange={(event) => change({ drain: event.target.checked })}
        />
        <span>A rollback by the plan also drains.</span>
      </label>
      <label className="check-field">
        <input
          type="checkbox"
          checked={draft.enabled}
          onChange={(event) => change({ enabled: event.target.checked })}
        />
        <span>Run the plan. It starts from the current percentage.</span>
      </label>
      {dryRun !== undefined && (
        <p className="effect" role="status">
          Dry run: {dryRun}
        </p>
      )}
      <Conflict
        error={error}
        onContinue={() => {
          if (current.data !== undefined) setBase(current.data);
          save.reset();
          run.reset();
        }}
      />
      <DialogButtons onCancel={onClose}>
        <button type="button" aria-disabled={run.running} onClick={run.run}>
          Dry run
        </button>
        <button type="submit" className="primary" aria-disabled={save.running}>
          {save.running ? 'Saving …' : 'Save the plan'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

function replaced(
  steps: Draft['steps'],
  index: number,
  next: Partial<Draft['steps'][number]>,
): Draft['steps'] {
  return steps.map((step, at) => (at === index ? { ...step, ...next } : step));
}
