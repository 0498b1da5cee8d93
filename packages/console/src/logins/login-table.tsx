import type { TokenFamilyDto } from '../api/openapi.js';
import { linkTo } from '../app/place.js';
import { extension } from '../app/installed.js';
import { Agent, Badge, Foreign, When } from '../ui/bits.js';
import { LoginState } from './login-state.js';

interface LoginTableProps {
  readonly logins: readonly TokenFamilyDto[];
  readonly selected?: ReadonlySet<string>;
  readonly onSelect?: (selected: ReadonlySet<string>) => void;
  readonly onRevoke: (login: TokenFamilyDto) => void;
  /** Whether to leave out the user, because the page is about one user. */
  readonly ofOneUser?: boolean;
}

const hasKinds = Object.keys(extension.schemes).length > 0;

/** A table of logins. Ended ones stay in it, with the reason. */
export function LoginTable({ logins, selected, onSelect, onRevoke, ofOneUser = false }: LoginTableProps) {
  const selectable = logins.filter(({ state }) => state === 'active');
  const all = selectable.length > 0 && selectable.every(({ id }) => selected?.has(id));
  const toggle = (id: string) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    onSelect?.(next);
  };
  return (
    <div className="table-box">
      <table className="rows">
        <caption className="visually-hidden">Logins, newest first</caption>
        <thead>
          <tr>
            {onSelect !== undefined && (
              <th scope="col" className="check">
                <input
                  type="checkbox"
                  aria-label="Select all active logins on this page"
                  checked={all}
                  onChange={() => onSelect(new Set(all ? [] : selectable.map(({ id }) => id)))}
                />
              </th>
            )}
            <th scope="col">{ofOneUser ? 'Program' : 'User'}</th>
            {hasKinds && <th scope="col">Kind</th>}
            {!ofOneUser && <th scope="col">Program</th>}
            <th scope="col">Address</th>
            <th scope="col">Began</th>
            <th scope="col">Last used</th>
            <th scope="col">State</th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {logins.map((login) => (
            <tr key={login.id} className={login.state === 'active' ? '' : 'ended'}>
              {onSelect !== undefined && (
                <td className="check">
                  <input
                    type="checkbox"
                    aria-label={`Select the login of ${login.username}`}
                    checked={selected?.has(login.id) === true && login.state === 'active'}
                    disabled={login.state !== 'active'}
                    onChange={() => toggle(login.id)}
                  />
                </td>
              )}
              <td className="grow">
                <span className="who">
                  <a href={linkTo(['logins', login.id])}>
                    {ofOneUser ? <Agent agent={login.user_agent} /> : <Foreign text={login.username} />}
                  </a>
                  {login.current && <Badge tone="info">You</Badge>}
                </span>
              </td>
              {hasKinds && (
                <td>
                  <Kind login={login} />
                </td>
              )}
              {!ofOneUser && (
                <td className="grow">
                  <Agent agent={login.user_agent} />
                </td>
              )}
              <td>{login.ip === null ? <span className="muted">–</span> : <Address ip={login.ip} />}</td>
              <td className="nowrap phone-hidden">
                <When at={login.created_at} />
              </td>
              <td className="nowrap">
                <span className="phone-only">Last used </span>
                <When at={login.last_used_at} />
              </td>
              <td>
                <LoginState key={login.state} login={login} />
              </td>
              <td className="actions">
                {login.state === 'active' && (
                  <button
                    type="button"
                    className="quiet danger"
                    aria-label={`Revoke the login of ${login.username}`}
                    onClick={() => onRevoke(login)}
                  >
                    Revoke
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** An address, as a link to the logins from it. */
export function Address({ ip }: { readonly ip: string }) {
  return (
    <a className="address" href={linkTo(['logins'], { ip })} title={`Logins from ${ip}`}>
      {ip}
    </a>
  );
}

/** What a login consists of. */
function Kind({ login }: { readonly login: TokenFamilyDto }) {
  const scheme = extension.schemes[login.scheme];
  return (
    <span className={`kind ${login.scheme}`} title={scheme?.hint}>
      {scheme?.label}
    </span>
  );
}
