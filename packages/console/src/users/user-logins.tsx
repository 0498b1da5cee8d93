import { useState } from 'react';
import type { TokenFamilyDto } from '../api/openapi.js';
import { LIVE_MS, usePages } from '../api/queries.js';
import { extension } from '../app/installed.js';
import { LoginTable } from '../logins/login-table.js';
import { RevokeRows } from '../logins/revoke-dialogs.js';
import { List } from '../ui/list.js';
import { Empty } from '../ui/notice.js';

/** The logins of one user, active and ended. */
export function UserLogins({ id }: { readonly id: string }) {
  const query = { ...extension.loginDefaults, user_id: id };
  const pages = usePages('GET /admin/tokens', { query: query as never, every: LIVE_MS });
  const rows = pages.data?.pages.flatMap(({ tokens }) => tokens) ?? [];
  const [asked, setAsked] = useState<TokenFamilyDto>();
  return (
    <>
      <List pages={pages} rows={rows} empty={<Empty title="This user has no logins" />}>
        {(shown) => <LoginTable logins={shown} onRevoke={setAsked} ofOneUser />}
      </List>
      {asked !== undefined && <RevokeRows logins={[asked]} onClose={() => setAsked(undefined)} />}
    </>
  );
}
