import { useState } from 'react';
import { useAction } from '../api/actions.js';
import { call } from '../api/call.js';
import type { KeyUsageDto, SigningKeyDto } from '../api/openapi.js';
import { CALM_MS, usePages, useRead } from '../api/queries.js';
import { Badge, Copy, When } from '../ui/bits.js';
import type { Tone } from '../ui/bits.js';
import { Dialog, DialogButtons } from '../ui/dialog.js';
import { List, NothingFound } from '../ui/list.js';
import { ErrorNotice } from '../ui/notice.js';
import { useNow } from '../ui/now.js';
import { ScreenFrame } from '../ui/screen.js';
import { number, plural } from '../ui/text.js';
import { duration } from '../ui/times.js';

const STATES: Readonly<Record<SigningKeyDto['state'], readonly [Tone, string, string]>> = {
  next: ['info', 'Next', 'Published; it does not sign yet'],
  current: ['good', 'Current', 'It signs new access tokens'],
  previous: ['calm', 'Previous', 'It does not sign; its tokens are still accepted'],
  distrusted: ['bad', 'Distrusted', 'Everything that it signed is refused'],
  gone: ['calm', 'Gone', 'It has left the key ring'],
  refused: ['bad', 'Refused', 'Its row cannot be trusted'],
};

/** The signing keys, what depends on them, and rotation. */
export function KeysScreen() {
  const pages = usePages('GET /admin/keys', { every: CALM_MS });
  const usage = useRead('GET /admin/keys/usage', { every: 2 * CALM_MS });
  const rows = pages.data?.pages.flatMap(({ keys }) => keys) ?? [];
  const [rotating, setRotating] = useState(false);
  const [distrusting, setDistrusting] = useState<SigningKeyDto>();
  const usedBy = (kid: string) => usage.data?.keys.find((key) => key.kid === kid);
  return (
    <ScreenFrame
      title="Keys"
      actions={
        <button type="button" className="primary" onClick={() => setRotating(true)}>
          Rotate …
        </button>
      }
    >
      <List pages={pages} rows={rows} empty={<NothingFound filtered={false} what="keys" />}>
        {(shown) => <KeyTable keys={shown} usedBy={usedBy} onDistrust={setDistrusting} />}
      </List>
      {rotating && (
        <Rotate pending={rows.some(({ state }) => state === 'next')} onClose={() => setRotating(false)} />
      )}
      {distrusting !== undefined && (
        <Distrust
          signingKey={distrusting}
          usage={usedBy(distrusting.kid)}
          onClose={() => setDistrusting(undefined)}
        />
      )}
    </ScreenFrame>
  );
}

interface KeyTableProps {
  readonly keys: readonly SigningKeyDto[];
  readonly usedBy: (kid: string) => KeyUsageDto | undefined;
  readonly onDistrust: (key: SigningKeyDto) => void;
}

function KeyTable({ keys, usedBy, onDistrust }: KeyTableProps) {
  return (
    <div className="table-box">
      <table className="rows">
        <caption className="visually-hidden">Signing keys, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">State</th>
            <th scope="col">What happens next</th>
            <th scope="col" className="number">
              Access tokens alive
            </th>
            <th scope="col">Created</th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => {
            const [tone, name, hint] = STATES[key.state];
            return (
              <tr key={key.kid} className={key.state === 'gone' || key.state === 'distrusted' ? 'ended' : ''}>
                <td>
                  <Copy text={key.kid} label="the id of the key" short />
                </td>
                <td>
                  <Badge tone={tone} title={hint}>
                    {name}
                  </Badge>
                </td>
                <td>
                  <Next signingKey={key} />
                </td>
                <td className="number">
                  <Tokens usage={usedBy(key.kid)} />
                </td>
                <td className="nowrap phone-hidden">
                  <When at={key.created_at} />
                </td>
                <td className="actions">
                  {key.state !== 'gone' && key.state !== 'distrusted' && key.state !== 'refused' && (
                    <button type="button" className="quiet danger" onClick={() => onDistrust(key)}>
                      Distrust …
                    </button>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Next({ signingKey: key }: { readonly signingKey: SigningKeyDto }) {
  const now = useNow();
  const left = (time: string) => duration(Date.parse(time) - now);
  if (key.state === 'next') return <>Signs in {left(key.promote_at)}</>;
  if (key.state === 'current')
    return (
      <>
        Signs since <When at={key.promote_at} />
      </>
    );
  if (key.state === 'previous' && key.accepted_until !== null)
    return <>Its last token expires in {left(key.accepted_until)}</>;
  if (key.distrusted_at !== null)
    return (
      <>
        Distrusted <When at={key.distrusted_at} />
      </>
    );
  return <span className="muted">–</span>;
}

function Tokens({ usage }: { readonly usage: KeyUsageDto | undefined }) {
  if (usage === undefined) return <span className="muted">–</span>;
  return (
    <>
      {number(usage.tokens)}
      {usage.exact ? '' : '+'} <span className="muted">of {plural(usage.users, 'user')}</span>
    </>
  );
}

function Rotate({ pending, onClose }: { readonly pending: boolean; readonly onClose: () => void }) {
  const rotate = useAction(() => call('POST /admin/keys/rotate'), onClose);
  return (
    <Dialog title="Rotate the signing key?" onClose={onClose} onSubmit={rotate.run}>
      {pending ? (
        <p>A next key is published already, so this changes nothing. It signs when all caches have it.</p>
      ) : (
        <p>
          A next key is published. It begins to sign when all caches have it, so that no request fails. Nobody
          is signed out.
        </p>
      )}
      {rotate.error !== undefined && <ErrorNotice error={rotate.error} />}
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="primary" aria-disabled={rotate.running}>
          {rotate.running ? 'Rotating …' : 'Rotate'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

interface DistrustProps {
  readonly signingKey: SigningKeyDto;
  readonly usage: KeyUsageDto | undefined;
  readonly onClose: () => void;
}

function Distrust({ signingKey: { kid, state }, usage, onClose }: DistrustProps) {
  const distrust = useAction(() => call('DELETE /admin/keys/{kid}', { path: { kid } }), onClose);
  return (
    <Dialog title="Distrust this key?" onClose={onClose} onSubmit={distrust.run}>
      <p>
        For a key that has leaked. Everything that it signed is refused at once, on every node.
        {state === 'current' && ' Another key takes over immediately.'}
      </p>
      {usage !== undefined && (
        <p className="effect">
          {usage.exact ? '' : 'At least '}
          {plural(usage.tokens, 'access token')} of {plural(usage.users, 'user')}{' '}
          {usage.tokens === 1 ? 'is' : 'are'} refused. Clients recover with a refresh; nobody has to log in
          again.
        </p>
      )}
      <p className="muted">This cannot be undone.</p>
      {distrust.error !== undefined && <ErrorNotice error={distrust.error} />}
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="danger" aria-disabled={distrust.running}>
          {distrust.running ? 'Distrusting …' : 'Distrust'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}
