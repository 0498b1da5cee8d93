import { useState } from 'react';
import { useAction } from '../../api/actions.js';
import { call } from '../../api/call.js';
import type { RolloutDto } from '../../api/openapi.js';
import { useRead } from '../../api/queries.js';
import { Dialog, DialogButtons } from '../../ui/dialog.js';
import { Conflict } from './conflict.js';
import { changesIn, placeOf } from './words.js';

/** Returns to the state before. Signs nobody out. */
export function RollbackDialog({
  rollout,
  onClose,
}: {
  readonly rollout: RolloutDto;
  readonly onClose: () => void;
}) {
  const [base, setBase] = useState(rollout);
  const [drain, setDrain] = useState(false);
  const history = useRead('GET /admin/rollout/history', { query: { limit: 1 } });
  const current = useRead('GET /admin/rollout');
  const back = useAction(
    () =>
      call('POST /admin/rollout/rollback', { body: { version: base.version, ...(drain ? { drain } : {}) } }),
    onClose,
  );
  const last = history.data?.events[0];
  return (
    <Dialog title="Roll back?" onClose={onClose} onSubmit={back.run}>
      <p>
        The rollout returns to the state before the last change. Now: <strong>{placeOf(base)}</strong>.
        {last !== undefined && last.version === base.version && (
          <> The last change was: {changesIn(last.changes)}.</>
        )}
      </p>
      <p>Nobody is signed out. Users on tokens keep them, unless you drain.</p>
      <label className="check-field">
        <input type="checkbox" checked={drain} onChange={(event) => setDrain(event.target.checked)} />
        <span>
          Roll back and drain: users who are no longer eligible go back to a session at their next refresh.
        </span>
      </label>
      <Conflict
        error={back.error}
        onContinue={() => current.data !== undefined && (setBase(current.data), back.reset())}
      />
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="danger" aria-disabled={back.running}>
          {back.running ? 'Rolling back …' : drain ? 'Roll back and drain' : 'Roll back'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}
