import { useState } from 'react';
import type { LoginDetailDto } from '../api/openapi.js';
import { LIVE_MS, useRead } from '../api/queries.js';
import { linkTo } from '../app/place.js';
import { extension } from '../app/installed.js';
import { Agent, Badge, Copy, Fact, Facts, Foreign, UserLink, When } from '../ui/bits.js';
import { Empty, ErrorNotice, Loading, ReadError } from '../ui/notice.js';
import { ScreenFrame } from '../ui/screen.js';
import { LoginState } from './login-state.js';
import { Address } from './login-table.js';
import { RevokeRows } from './revoke-dialogs.js';
import { Story } from './story.js';

/** One login: what it is, what happened to it, and what it is linked with. */
export function LoginScreen({ id }: { readonly id: string }) {
  const read = useRead('GET /admin/tokens/{family_id}', { path: { family_id: id }, every: LIVE_MS });
  const [asked, setAsked] = useState(false);
  if (read.data === undefined) {
    const gone = read.error?.status === 404 || read.error?.status === 400;
    return (
      <ScreenFrame title="Login">
        {read.error === null ? (
          <Loading />
        ) : gone ? (
          <Empty title="There is no such login">
            <p>Ended logins stay in the list for a week after their latest possible expiry.</p>
            <a href={linkTo(['logins'])}>All logins</a>
          </Empty>
        ) : (
          <ReadError read={read} />
        )}
      </ScreenFrame>
    );
  }
  const { login, linked, story, truncated } = read.data;
  return (
    <ScreenFrame
      title={`Login of ${login.username}`}
      aside={login.current ? <Badge tone="info">You</Badge> : undefined}
      actions={
        login.state === 'active' && (
          <button type="button" className="danger" onClick={() => setAsked(true)}>
            Revoke …
          </button>
        )
      }
    >
      {read.error !== null && <ErrorNotice error={read.error} onRetry={() => void read.refetch()} retries />}
      <LoginFacts login={login} linked={linked} />
      <section aria-labelledby="story">
        <h2 id="story">What happened</h2>
        {truncated && <p className="hint">Later events are in the audit trail only.</p>}
        <Story entries={story} />
      </section>
      {asked && <RevokeRows logins={[login]} onClose={() => setAsked(false)} />}
    </ScreenFrame>
  );
}

function LoginFacts({ login, linked }: Pick<LoginDetailDto, 'login' | 'linked'>) {
  return (
    <Facts>
      <Fact name="State">
        <LoginState key={login.state} login={login} />
      </Fact>
      {login.revoke_note != null && (
        <Fact name="Reason">
          <Foreign text={login.revoke_note} />
        </Fact>
      )}
      <Fact name="User">
        <UserLink id={login.user_id} name={login.username} />{' '}
        <a className="quiet-link" href={linkTo(['logins'], { user_id: login.user_id })}>
          all logins
        </a>
      </Fact>
      {extension.schemes[login.scheme] !== undefined && (
        <Fact name="Kind">{extension.schemes[login.scheme]!.hint}</Fact>
      )}
      {linked.map((link) => (
        <Fact key={link.id} name={extension.links[link.kind] ?? 'Linked with'}>
          <a href={linkTo(['logins', link.id])}>{extension.schemes[link.scheme]?.hint ?? 'Another login'}</a>
          {link.live && <span className="muted"> They are revoked together.</span>}
        </Fact>
      ))}
      <Fact name="Program">
        <Agent agent={login.user_agent} />
      </Fact>
      <Fact name="Address">{login.ip === null ? '–' : <Address ip={login.ip} />}</Fact>
      <Fact name="Began">
        <When at={login.created_at} exact />
      </Fact>
      <Fact name="Last used">
        <When at={login.last_used_at} />
      </Fact>
      <Fact name={login.state === 'active' ? 'Expires' : 'Would have expired'}>
        <When at={login.expires_at} />
      </Fact>
      <Fact name="Id">
        <Copy text={login.id} label="the id of the login" />
      </Fact>
    </Facts>
  );
}
