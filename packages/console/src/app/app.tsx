import { useQueryClient } from '@tanstack/react-query';
import { useAuthState } from '@tandem-auth/client/react';
import { useEffect, useState } from 'react';
import { auth } from '../api/call.js';
import { useRead } from '../api/queries.js';
import { ErrorNotice, Loading } from '../ui/notice.js';
import { PasswordDialog } from './password-dialog.js';
import { Shell } from './shell.js';
import { SignIn, SignInAgain } from './sign-in.js';

/**
 * Decides between sign-in, refusal and console. If the login expires or is revoked while somebody works, the page and its forms stay as
 * they are.
 */
export function App() {
  const state = useAuthState(auth);
  const queries = useQueryClient();
  const [username, setUsername] = useState<string>();
  const [userId, setUserId] = useState<string>();
  /** The user wants to sign out, or to sign in as somebody else. */
  const [leaving, setLeaving] = useState(false);
  const signedIn = state !== 'signed-out';
  const me = useRead('GET /api/users/me', { enabled: signedIn });
  // Only an administrator may read the keys.
  const access = useRead('GET /admin/keys', { query: { limit: 1 }, enabled: signedIn });

  useEffect(() => {
    if (me.data === undefined || !signedIn) return;
    setUsername(me.data.username);
    setUserId(me.data.id);
  }, [me.data, signedIn]);
  useEffect(() => {
    if (state === 'signed-in') void queries.invalidateQueries();
  }, [state, queries]);

  useEffect(() => {
    if (!leaving || signedIn) return;
    queries.clear();
    setUsername(undefined);
    setUserId(undefined);
    setLeaving(false);
  }, [leaving, signedIn, queries]);

  const leave = () => {
    setLeaving(true);
    // It has ended here at once; the service learns of it as soon as it can be reached.
    auth.logout().catch(() => undefined);
  };
  if (!signedIn && username === undefined) return <SignIn />;
  if (access.error?.status === 403) return <Refused username={username} onSignOut={leave} />;
  if (username === undefined || userId === undefined || access.data === undefined) {
    const error = me.error ?? access.error;
    return (
      <main className="gate">
        {error === null || error.status === 401 ? (
          <Loading rows={3} />
        ) : (
          <ErrorNotice
            error={error}
            retries={error.isTemporary}
            onRetry={() => void queries.refetchQueries()}
          />
        )}
      </main>
    );
  }
  return (
    <>
      {/* Another user gets another page: nothing of the first one stays. */}
      <Shell key={userId} username={username} onSignOut={leave} />
      <PasswordDialog />
      {!signedIn && <SignInAgain username={username} onSignOut={leave} />}
    </>
  );
}

function Refused({
  username,
  onSignOut,
}: {
  readonly username: string | undefined;
  readonly onSignOut: () => void;
}) {
  return (
    <main className="gate">
      <div className="gate-card">
        <h1>This account cannot use the console</h1>
        <p>
          {username === undefined ? (
            'You are'
          ) : (
            <>
              You are signed in as <bdi>{username}</bdi>,
            </>
          )}{' '}
          not an administrator. Ask an administrator to change your role, or sign in with another account.
        </p>
        <button type="button" className="primary" onClick={onSignOut}>
          Sign in with another account
        </button>
      </div>
    </main>
  );
}
