import { useState } from 'react';
import type { AdminUserDetailDto } from '../api/openapi.js';
import { CALM_MS, useRead } from '../api/queries.js';
import { linkTo } from '../app/place.js';
import { Badge, Copy, Fact, Facts, Foreign, When } from '../ui/bits.js';
import { Empty, ErrorNotice, Loading, ReadError } from '../ui/notice.js';
import { ScreenFrame } from '../ui/screen.js';
import { sourceOf } from './source.js';
import { UserActions } from './user-actions.js';
import { UserLogins } from './user-logins.js';

/** One user: what is known of them, what an administrator can do, and their logins. */
export function UserScreen({ id }: { readonly id: string }) {
  const read = useRead('GET /admin/users/{id}', { path: { id }, every: CALM_MS });
  const [deleted, setDeleted] = useState(false);
  const user = read.data;
  if (deleted || user === undefined) {
    const gone = deleted || read.error?.status === 404 || read.error?.status === 400;
    return (
      <ScreenFrame title="User">
        {gone ? (
          <Empty title={deleted ? 'The user is deleted' : 'There is no such user'}>
            <a href={linkTo(['users'])}>All users</a>
          </Empty>
        ) : read.error === null ? (
          <Loading />
        ) : (
          <ReadError read={read} />
        )}
      </ScreenFrame>
    );
  }
  return (
    <ScreenFrame
      title={user.username}
      aside={user.disabled ? <Badge tone="calm">Disabled</Badge> : <Badge tone="good">Enabled</Badge>}
      actions={<UserActions user={user} onDeleted={() => setDeleted(true)} />}
    >
      {read.error !== null && <ErrorNotice error={read.error} onRetry={() => void read.refetch()} retries />}
      <UserFacts user={user} />
      <section aria-labelledby="logins">
        <h2 id="logins">Logins</h2>
        <UserLogins id={user.id} />
      </section>
    </ScreenFrame>
  );
}

function UserFacts({ user }: { readonly user: AdminUserDetailDto }) {
  return (
    <Facts>
      <Fact name="Role">{user.role}</Fact>
      <Fact name="Email address">{user.email === null ? '–' : <Foreign text={user.email} />}</Fact>
      <Fact name="External id">
        {user.external_id === null ? '–' : <Copy text={user.external_id} label="the external id" />}
      </Fact>
      <Fact name="Managed by">{sourceOf(user)}</Fact>
      <Fact name="Password">{user.has_password ? 'Set' : 'None'}</Fact>
      <Fact name="Created">
        <When at={user.created_at} exact />
      </Fact>
      <Fact name="Id">
        <Copy text={user.id} label="the id of the user" />
      </Fact>
      <Fact name="Audit">
        <a href={linkTo(['audit'], { user_id: user.id })}>Events about this user</a>
      </Fact>
    </Facts>
  );
}
