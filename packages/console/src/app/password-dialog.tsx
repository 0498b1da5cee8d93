import { useState } from 'react';
import { answerPasswordQuestion, usePasswordQuestion } from '../api/actions.js';
import { ApiError } from '../api/api-error.js';
import { call } from '../api/call.js';
import { Dialog, DialogButtons } from '../ui/dialog.js';
import { TextField } from '../ui/field.js';

/** Asks for the password if an action needs a fresh one, and then repeats the action. */
export function PasswordDialog() {
  const question = usePasswordQuestion();
  return question === undefined ? null : <Question />;
}

function Question() {
  const [password, setPassword] = useState('');
  const [running, setRunning] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  const cancel = () => answerPasswordQuestion(false);
  const prove = async () => {
    setRunning(true);
    setRefusal(undefined);
    try {
      await call('POST /auth/reauthenticate', { body: { password } });
      answerPasswordQuestion(true);
    } catch (error) {
      setRefusal(refusalOf(error));
    } finally {
      setRunning(false);
    }
  };
  return (
    <Dialog
      title="Enter your password again"
      onClose={cancel}
      onSubmit={() => {
        if (!running) void prove();
      }}
    >
      <p>This action needs a password that you have entered within the last five minutes.</p>
      <TextField
        label="Your password"
        type="password"
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        autoComplete="current-password"
        error={refusal}
        required
        autoFocus
      />
      <DialogButtons onCancel={cancel}>
        <button type="submit" className="primary" aria-disabled={running}>
          {running ? 'Checking …' : 'Continue'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

function refusalOf(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  if (error.status === 401 || error.status === 403) return 'The password is wrong.';
  if (error.retryAfter > 0) return `${error.message} Try again in ${error.retryAfter} s.`;
  return error.message;
}
