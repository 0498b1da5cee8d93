import { AuthError } from '@tandem-auth/client';
import { useState } from 'react';
import type { FormEvent } from 'react';
import { auth } from '../api/call.js';
import { Dialog } from '../ui/dialog.js';
import { TextField } from '../ui/field.js';
import { Foreign } from '../ui/bits.js';
import { Mark } from '../ui/mark.js';

/** Why a login was refused, in words. */
export function refusalOf(error: unknown): string {
  if (!(error instanceof AuthError))
    return 'The service did not answer. Check your connection and try again.';
  if (error.code === 'console_origin_only')
    return 'Administrators sign in on the console’s own address only.';
  if (error.status === 429) return `Too many attempts. Try again in ${error.retryAfter || 60} s.`;
  if (error.status >= 500)
    return `The service cannot answer right now. Try again in ${error.retryAfter || 5} s.`;
  if (error.status === 401) return 'The name or the password is wrong.';
  return `The service refused the login (${error.code || error.status}).`;
}

function useSignIn() {
  const [running, setRunning] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  const signIn = async (username: string, password: string) => {
    setRunning(true);
    setRefusal(undefined);
    try {
      await auth.login({ username, password });
    } catch (error) {
      setRefusal(refusalOf(error));
    } finally {
      setRunning(false);
    }
  };
  return { running, refusal, signIn };
}

/** The first page. */
export function SignIn() {
  const { running, refusal, signIn } = useSignIn();
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!running) void signIn(username, password);
  };
  return (
    <main className="gate">
      <form className="gate-card" onSubmit={submit}>
        <p className="brand">
          <Mark /> Tandem
        </p>
        <h1>Sign in to the console</h1>
        <TextField
          label="Username"
          value={username}
          onChange={(event) => setUsername(event.target.value)}
          autoComplete="username"
          autoCapitalize="none"
          required
          autoFocus
        />
        <TextField
          label="Password"
          type="password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          autoComplete="current-password"
          required
        />
        <p className="field-error" role="alert">
          {refusal}
        </p>
        <button type="submit" className="primary block" aria-disabled={running}>
          {running ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}

/**
 * Asks the user to sign in again after the login has expired or was revoked. The page below stays, and the action that waited continues.
 */
export function SignInAgain({
  username,
  onSignOut,
}: {
  readonly username: string;
  readonly onSignOut: () => void;
}) {
  const { running, refusal, signIn } = useSignIn();
  const [password, setPassword] = useState('');
  return (
    <Dialog
      title="Your login has ended"
      onClose={() => undefined}
      onSubmit={() => {
        if (!running) void signIn(username, password);
      }}
    >
      <p>
        Sign in again as <Foreign text={username} /> to continue. Nothing that you have entered is lost.
      </p>
      <TextField
        label="Password"
        type="password"
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        autoComplete="current-password"
        error={refusal}
        required
        autoFocus
      />
      <div className="dialog-buttons">
        <button type="button" onClick={onSignOut}>
          Leave this page
        </button>
        <button type="submit" className="primary" aria-disabled={running}>
          {running ? 'Signing in …' : 'Sign in'}
        </button>
      </div>
    </Dialog>
  );
}
