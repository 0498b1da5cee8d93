import { useState } from 'react';
import { useAction } from '../api/actions.js';
import { ApiError } from '../api/api-error.js';
import { call } from '../api/call.js';
import type { BlockedDto } from '../api/openapi.js';
import { CALM_MS, usePages } from '../api/queries.js';
import { linkTo } from '../app/place.js';
import { goTo } from '../app/router.js';
import { Badge, Foreign, UserLink } from '../ui/bits.js';
import { Dialog, DialogButtons } from '../ui/dialog.js';
import type { FilterField, Filters } from '../ui/filter-field.js';
import { FilterBar } from '../ui/filters.js';
import { List, NothingFound } from '../ui/list.js';
import { Empty, ErrorNotice } from '../ui/notice.js';
import { useNow } from '../ui/now.js';
import { duration } from '../ui/times.js';

export const BLOCKED_FIELDS: readonly FilterField[] = [
  {
    name: 'kind',
    label: 'Blocked',
    kind: 'choice',
    options: [
      ['', 'Addresses and accounts'],
      ['address', 'Addresses'],
      ['account', 'Accounts'],
    ],
  },
  { name: 'username', label: 'Username', kind: 'text' },
  { name: 'ip', label: 'Address', kind: 'text', placeholder: '203.0.113.7' },
];

/** What refuses the calls, in words. */
const SCOPES: Readonly<Record<BlockedDto['scopes'][number]['scope'], string>> = {
  login: 'Logins',
  session_login: 'Session logins',
  refresh: 'Refreshes',
  exchange: 'Exchanges',
  downgrade: 'Downgrades',
  password: 'Password changes',
  reauthenticate: 'Fresh passwords',
  client: 'Service clients',
  account: 'Wrong passwords',
  device_family: 'Wrong passwords on a known device',
  device_session: 'Wrong passwords on a known device',
  device_user: 'Logins on known devices',
  refresh_family: 'Refreshes of a login',
  refresh_repeat: 'Repeated refreshes',
  downgrade_family: 'Downgrades of a login',
  exchange_session: 'Exchanges of a session',
  failed_logins: '100 failed logins in a row',
};

/** Addresses and accounts whose next call is refused. */
export function Blocked({ filters }: { readonly filters: Filters }) {
  const pages = usePages('GET /admin/limits/blocked', { query: filters as never, every: CALM_MS });
  const rows = pages.data?.pages.flatMap(({ blocked }) => blocked) ?? [];
  const filtered = Object.keys(filters).length > 0;
  const [releasing, setReleasing] = useState<BlockedDto>();
  return (
    <section aria-labelledby="blocked">
      <h2 id="blocked">Blocked now</h2>
      <FilterBar path={['nodes']} filters={filters} fields={BLOCKED_FIELDS} />
      <List
        pages={pages}
        rows={rows}
        empty={
          filtered ? (
            <NothingFound filtered what="addresses or accounts" />
          ) : (
            <Empty title="Nobody is blocked">
              <p>An address or account appears here as soon as a rate limit refuses its next call.</p>
            </Empty>
          )
        }
        onClearFilters={filtered ? () => goTo(linkTo(['nodes'])) : undefined}
      >
        {(shown) => <BlockedTable blocked={shown} onRelease={setReleasing} />}
      </List>
      {releasing !== undefined && <Release blocked={releasing} onClose={() => setReleasing(undefined)} />}
    </section>
  );
}

interface TableProps {
  readonly blocked: readonly BlockedDto[];
  readonly onRelease: (blocked: BlockedDto) => void;
}

function BlockedTable({ blocked, onRelease }: TableProps) {
  return (
    <div className="table-box">
      <table className="rows">
        <caption className="visually-hidden">Blocked addresses and accounts</caption>
        <thead>
          <tr>
            <th scope="col">Who</th>
            <th scope="col">What is refused</th>
            <th scope="col">From</th>
            <th scope="col">For another</th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {blocked.map((one) => (
            <tr key={one.id}>
              <td>
                <Who blocked={one} />
              </td>
              <td>
                {one.scopes.map(({ scope }) => (
                  <Badge key={scope} tone={scope === 'failed_logins' ? 'bad' : 'warn'}>
                    {SCOPES[scope]}
                  </Badge>
                ))}
              </td>
              <td className="nowrap phone-hidden">
                {one.kind === 'account' && one.address !== null ? (
                  <a href={linkTo(['logins'], { ip: one.address })}>{one.address}</a>
                ) : (
                  <span className="muted">–</span>
                )}
              </td>
              <td className="nowrap">
                <Left until={one.until} />
              </td>
              <td className="actions">
                <button type="button" className="quiet" onClick={() => onRelease(one)}>
                  Release …
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Who({ blocked: { kind, address, user_id: userId, username } }: { readonly blocked: BlockedDto }) {
  if (kind === 'address') return <Foreign text={address ?? 'Unknown address'} />;
  if (userId === null)
    return (
      <span
        className="muted"
        title="Somebody tries a name that no user has. It is not stored: it may be a password"
      >
        A name of no user
      </span>
    );
  return <UserLink id={userId} name={username} />;
}

function Left({ until }: { readonly until: string }) {
  return <>{duration(Date.parse(until) - useNow())}</>;
}

async function releaseById(id: string): Promise<void> {
  try {
    await call('DELETE /admin/limits/blocked/{id}', { path: { id } });
  } catch (error) {
    // The block has just ended by itself.
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
}

function Release({ blocked, onClose }: { readonly blocked: BlockedDto; readonly onClose: () => void }) {
  const { id, kind, blocked_addresses: addresses } = blocked;
  const [withAddresses, setWithAddresses] = useState(false);
  const release = useAction(async () => {
    for (const one of [id, ...(withAddresses ? addresses.map((address) => address.id) : [])])
      await releaseById(one);
  }, onClose);
  const names = addresses.map(({ address }) => address).join(', ');
  return (
    <Dialog
      title={kind === 'address' ? 'Release this address?' : 'Release this account?'}
      onClose={onClose}
      onSubmit={release.run}
    >
      <p>
        <Who blocked={blocked} /> can call again at once, on every node
        {addresses.length > 0 && !withAddresses && `, but not from ${names}, which is blocked too`}.
      </p>
      {addresses.length > 0 && (
        <label className="check-field">
          <input
            type="checkbox"
            checked={withAddresses}
            onChange={(event) => setWithAddresses(event.target.checked)}
          />
          <span>Release {names} too, for everybody who calls from there.</span>
        </label>
      )}
      <p className="muted">If somebody is guessing passwords, this gives them new attempts.</p>
      {release.error !== undefined && <ErrorNotice error={release.error} />}
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="primary" aria-disabled={release.running}>
          {release.running ? 'Releasing …' : 'Release'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}
