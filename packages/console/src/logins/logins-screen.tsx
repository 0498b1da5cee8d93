import { useState } from 'react';
import type { TokenFamilyDto } from '../api/openapi.js';
import { CALM_MS, LIVE_MS, usePages, useRead } from '../api/queries.js';
import { linkTo } from '../app/place.js';
import { goTo } from '../app/router.js';
import { FilterBar } from '../ui/filters.js';
import { knownFilters } from '../ui/filter-field.js';
import type { Filters } from '../ui/filter-field.js';
import { List, NothingFound } from '../ui/list.js';
import { ScreenFrame } from '../ui/screen.js';
import { number, plural } from '../ui/text.js';
import { ALL_FIELDS, FIELDS, MORE_FIELDS, queryOfFilters } from './login-filters.js';
import { LoginScreen } from './login-screen.js';
import { LoginTable } from './login-table.js';
import { revocationOf } from './revocation.js';
import type { Revocation } from './revocation.js';
import { RevokeMatches, RevokeRows } from './revoke-dialogs.js';
import { extension } from '../app/installed.js';

interface Props {
  readonly path: readonly string[];
  readonly filters: Filters;
}

/** The list of logins, newest first, with filters in the URL. If the URL fragment names an id, shows that login. */
export function LoginsScreen({ path: [id], filters }: Props) {
  if (id !== undefined) return <LoginScreen key={id} id={id} />;
  return <Logins filters={knownFilters(filters, ALL_FIELDS)} />;
}

function Logins({ filters }: { readonly filters: Filters }) {
  const query = queryOfFilters(filters);
  const pages = usePages('GET /admin/tokens', { query: query as never, every: LIVE_MS });
  const rows = pages.data?.pages.flatMap(({ tokens }) => tokens) ?? [];
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [asked, setAsked] = useState<
    { readonly logins: readonly TokenFamilyDto[] } | { readonly matches: Revocation }
  >();
  const chosen = rows.filter(({ id, state }) => selected.has(id) && state === 'active');
  const filtered = Object.keys(filters).length > 0;
  const close = () => {
    setAsked(undefined);
    setSelected(new Set());
  };
  return (
    <ScreenFrame title="Logins" aside={<Count filters={filters} />}>
      <FilterBar path={['logins']} filters={filters} fields={FIELDS} more={MORE_FIELDS} />
      {rows.length > 0 && (
        <Selection
          filters={filters}
          userId={pages.isPlaceholderData ? undefined : rows[0]?.user_id}
          chosen={chosen.length}
          onRevoke={() => setAsked({ logins: chosen })}
          onRevokeMatches={(matches) => setAsked({ matches })}
          onClear={() => setSelected(new Set())}
        />
      )}
      <List
        pages={pages}
        rows={rows}
        empty={<NothingFound filtered={filtered} what="logins" />}
        onClearFilters={filtered ? () => goTo(linkTo(['logins'])) : undefined}
      >
        {(shown) => (
          <LoginTable
            logins={shown}
            selected={selected}
            onSelect={setSelected}
            onRevoke={(login) => setAsked({ logins: [login] })}
          />
        )}
      </List>
      {asked !== undefined && 'matches' in asked && (
        <RevokeMatches revocation={asked.matches} onClose={close} />
      )}
      {asked !== undefined && 'logins' in asked && <RevokeRows logins={asked.logins} onClose={close} />}
    </ScreenFrame>
  );
}

/** How many logins match: exactly up to 10,000, and exactly beyond that on request. */
function Count({ filters }: { readonly filters: Filters }) {
  const [exactly, setExactly] = useState<string>();
  const query = queryOfFilters(filters);
  const key = JSON.stringify(query);
  const wanted = exactly === key;
  const quick = useRead('GET /admin/tokens/count', { query: query as never, every: CALM_MS });
  const exact = useRead('GET /admin/tokens/count', {
    query: { ...query, exact: 'true' } as never,
    enabled: wanted,
  });
  const count = (wanted ? exact.data : undefined) ?? quick.data;
  if (count === undefined) return null;
  if (count.exact) return <>{number(count.count)}</>;
  return (
    <>
      {number(count.count)}+{' '}
      <button type="button" className="quiet" aria-disabled={wanted} onClick={() => setExactly(key)}>
        {wanted && exact.isFetching ? 'Counting …' : 'Count exactly'}
      </button>
    </>
  );
}

interface SelectionProps {
  readonly filters: Filters;
  readonly userId: string | undefined;
  readonly chosen: number;
  readonly onRevoke: () => void;
  readonly onRevokeMatches: (revocation: Revocation) => void;
  readonly onClear: () => void;
}

/** What can be done with the selected rows, or with everything that matches. */
function Selection({ filters, userId, chosen, onRevoke, onRevokeMatches, onClear }: SelectionProps) {
  const revocation = revocationOf(filters, userId, extension.loginDefaults);
  return (
    <div className={chosen > 0 ? 'selection active' : 'selection'}>
      {chosen > 0 ? (
        <>
          <span role="status">{plural(chosen, 'login')} selected</span>
          <button type="button" className="danger" onClick={onRevoke}>
            Revoke selected
          </button>
          <button type="button" className="quiet" onClick={onClear}>
            Clear selection
          </button>
        </>
      ) : (
        <span className="muted">
          {'impossible' in revocation
            ? revocation.impossible
            : 'Select rows, or revoke everything that matches.'}
        </span>
      )}
      {'body' in revocation && (
        <button type="button" className="push" onClick={() => onRevokeMatches(revocation)}>
          Revoke all that match …
        </button>
      )}
    </div>
  );
}
