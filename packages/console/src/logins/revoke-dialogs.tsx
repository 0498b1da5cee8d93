import { useState } from 'react';
import { useAction } from '../api/actions.js';
import { call, send } from '../api/call.js';
import { useRead } from '../api/queries.js';
import type { TokenFamilyDto } from '../api/openapi.js';
import { Dialog, DialogButtons } from '../ui/dialog.js';
import { TextArea } from '../ui/field.js';
import { Foreign } from '../ui/bits.js';
import { ErrorNotice, Loading } from '../ui/notice.js';
import { number, plural } from '../ui/text.js';
import type { Revocation } from './revocation.js';
import { lastProgress } from './progress.js';

function Reason({ value, onChange }: { readonly value: string; readonly onChange: (value: string) => void }) {
  return (
    <TextArea
      label="Reason (optional)"
      hint="The audit trail and the revoked logins show it."
      value={value}
      maxLength={500}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

interface RowsProps {
  readonly logins: readonly TokenFamilyDto[];
  readonly onClose: () => void;
}

/** Revokes the chosen logins, one after the other. */
export function RevokeRows({ logins, onClose }: RowsProps) {
  const [note, setNote] = useState('');
  const [done, setDone] = useState(0);
  const [first] = logins;
  const own = logins.some(({ current }) => current);
  const revoke = useAction(async () => {
    for (const [index, { id }] of logins.entries()) {
      if (index < done) continue;
      await call('DELETE /admin/tokens/{family_id}', { path: { family_id: id }, query: { note } });
      setDone(index + 1);
    }
  }, onClose);
  const one = logins.length === 1;
  return (
    <Dialog
      title={one ? 'Revoke this login?' : `Revoke ${plural(logins.length, 'login')}?`}
      onClose={onClose}
      onSubmit={revoke.run}
    >
      <p>
        {one ? (
          <>
            <Foreign text={first!.username} /> is signed out on this device at once.
          </>
        ) : (
          <>Their users are signed out on these devices at once.</>
        )}
        {own && <strong> Your own login is among them: you will be signed out.</strong>}
      </p>
      <Reason value={note} onChange={setNote} />
      {revoke.running && !one && <Progress done={done} total={logins.length} />}
      {revoke.error !== undefined && <ErrorNotice error={revoke.error} />}
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="danger" aria-disabled={revoke.running}>
          {revoke.running ? 'Revoking …' : 'Revoke'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

interface MatchesProps {
  readonly revocation: Revocation;
  readonly onClose: () => void;
}

/**
 * Revokes all logins that match the filters. Shows the exact count first. If more logins match by the time of the call, the service
 * revokes none.
 */
export function RevokeMatches({ revocation, onClose }: MatchesProps) {
  const [note, setNote] = useState('');
  const [done, setDone] = useState(0);
  const [revoked, setRevoked] = useState<number>();
  const count = useRead('GET /admin/tokens/count', {
    query: { ...revocation.count, exact: 'true' } as never,
  });
  const revoke = useAction(async (expected: number) => {
    setDone(0);
    const body = { ...revocation.body, expected_count: expected, ...(note === '' ? {} : { note }) };
    const response = await send('POST /admin/tokens/revoke', { body, accept: 'application/x-ndjson' });
    return lastProgress(response, setDone);
  }, setRevoked);
  if (revoked !== undefined) {
    return (
      <Dialog title={`${plural(revoked, 'login')} revoked`} onClose={onClose}>
        <p>They are refused everywhere now. The list keeps them with the reason.</p>
        <div className="dialog-buttons">
          <button type="button" className="primary" onClick={onClose}>
            Close
          </button>
        </div>
      </Dialog>
    );
  }
  const total = count.data?.count;
  const countIsStale = revoke.error?.code === 'more_than_expected';
  return (
    <Dialog
      title="Revoke all that match"
      onClose={onClose}
      onSubmit={() => {
        if (total !== undefined && total > 0) revoke.run(total);
      }}
    >
      {count.error !== null && <ErrorNotice error={count.error} onRetry={() => void count.refetch()} />}
      {total === undefined ? (
        count.error === null && (
          <>
            <p>Counting exactly …</p>
            <Loading rows={1} />
          </>
        )
      ) : (
        <p>
          <strong className="figure">{number(total)}</strong> active{' '}
          {total === 1 ? 'login matches' : 'logins match'} these filters. Their users are signed out on these
          devices at once.
        </p>
      )}
      <Reason value={note} onChange={setNote} />
      {revoke.running && total !== undefined && <Progress done={done} total={total} />}
      {revoke.error !== undefined && (
        <ErrorNotice error={revoke.error}>
          {countIsStale && (
            <p>
              More logins match now than were counted, so nobody was signed out. The count above has been
              updated.
            </p>
          )}
        </ErrorNotice>
      )}
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="danger" aria-disabled={revoke.running || !total}>
          {revoke.running ? 'Revoking …' : total ? `Revoke ${plural(total, 'login')}` : 'Revoke'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

function Progress({ done, total }: { readonly done: number; readonly total: number }) {
  return (
    <div className="progress" role="status">
      <progress value={done} max={total} aria-label="Revoked" />
      <span>
        {number(done)} of {number(total)}
      </span>
    </div>
  );
}
