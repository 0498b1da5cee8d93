import { useState } from 'react';
import type { AdminUserDto } from '../api/openapi.js';
import { CALM_MS, usePages } from '../api/queries.js';
import { linkTo } from '../app/place.js';
import { goTo } from '../app/router.js';
import { Badge, Foreign, When } from '../ui/bits.js';
import { knownFilters } from '../ui/filter-field.js';
import type { FilterField, Filters } from '../ui/filter-field.js';
import { FilterBar } from '../ui/filters.js';
import { List, NothingFound } from '../ui/list.js';
import { ScreenFrame } from '../ui/screen.js';
import { CreateUser } from './create-user.js';
import { UserScreen } from './user-screen.js';

const FIELDS: readonly FilterField[] = [
  {
    name: 'query',
    label: 'Find',
    kind: 'text',
    placeholder: 'Part of the name, email address or external id',
  },
  { name: 'role', label: 'Role', kind: 'text' },
  {
    name: 'disabled',
    label: 'State',
    kind: 'choice',
    options: [
      ['', 'All'],
      ['false', 'Enabled'],
      ['true', 'Disabled'],
    ],
  },
];

interface Props {
  readonly path: readonly string[];
  readonly filters: Filters;
}

/** The list of users, with filters in the URL. If the URL fragment names an id, shows that user. */
export function UsersScreen({ path, filters }: Props) {
  const [id] = path;
  return id === undefined ? (
    <Users filters={knownFilters(filters, FIELDS)} />
  ) : (
    <UserScreen key={id} id={id} />
  );
}

function Users({ filters }: { readonly filters: Filters }) {
  const pages = usePages('GET /admin/users', { query: filters as never, every: CALM_MS });
  const rows = pages.data?.pages.flatMap(({ users }) => users) ?? [];
  const [creating, setCreating] = useState(false);
  const filtered = Object.keys(filters).length > 0;
  return (
    <ScreenFrame
      title="Users"
      actions={
        <button type="button" className="primary" onClick={() => setCreating(true)}>
          Create a user …
        </button>
      }
    >
      <FilterBar path={['users']} filters={filters} fields={FIELDS} />
      <List
        pages={pages}
        rows={rows}
        empty={<NothingFound filtered={filtered} what="users" />}
        onClearFilters={filtered ? () => goTo(linkTo(['users'])) : undefined}
      >
        {(shown) => <UserTable users={shown} />}
      </List>
      {creating && <CreateUser onClose={() => setCreating(false)} />}
    </ScreenFrame>
  );
}

function UserTable({ users }: { readonly users: readonly AdminUserDto[] }) {
  return (
    <div className="table-box">
      <table className="rows">
        <caption className="visually-hidden">Users by name</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Email address</th>
            <th scope="col">External id</th>
            <th scope="col">Role</th>
            <th scope="col">Password</th>
            <th scope="col">Created</th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {users.map((user) => (
            <tr key={user.id} className={user.disabled ? 'ended' : ''}>
              <td className="grow">
                <a href={linkTo(['users', user.id])}>
                  <Foreign text={user.username} />
                </a>
              </td>
              <td className="grow">{user.email === null ? <Nothing /> : <Foreign text={user.email} />}</td>
              <td className="grow phone-hidden">
                {user.external_id === null ? <Nothing /> : <Foreign text={user.external_id} />}
              </td>
              <td>{user.role}</td>
              <td className="phone-hidden">{user.has_password ? 'Set' : <Nothing />}</td>
              <td className="nowrap phone-hidden">
                <When at={user.created_at} />
              </td>
              <td>{user.disabled ? <Badge tone="calm">Disabled</Badge> : 'Enabled'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const Nothing = () => <span className="muted">–</span>;
