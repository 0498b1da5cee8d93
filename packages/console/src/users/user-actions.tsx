import { useState } from 'react';
import type { ReactNode } from 'react';
import { useAction } from '../api/actions.js';
import { call } from '../api/call.js';
import type { AdminUserDetailDto, UserChangeDto } from '../api/openapi.js';
import { Foreign } from '../ui/bits.js';
import { Dialog, DialogButtons } from '../ui/dialog.js';
import { TextField } from '../ui/field.js';
import { ErrorNotice } from '../ui/notice.js';
import { fieldError, hasFieldErrors } from './create-user.js';

interface Props {
  readonly user: AdminUserDetailDto;
  readonly onDeleted: () => void;
}

type Asked = 'edit' | 'password' | 'disable' | 'logout' | 'delete';

/** What an administrator can do with a user. Each action says what it ends. */
export function UserActions({ user, onDeleted }: Props) {
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const name = <Foreign text={user.username} />;
  const path = { id: user.id };
  return (
    <>
      <button type="button" onClick={() => setAsked('edit')}>
        Edit …
      </button>
      {user.source === 'local' && (
        <button type="button" onClick={() => setAsked('password')}>
          Set password …
        </button>
      )}
      <button type="button" onClick={() => setAsked('logout')}>
        Log out everywhere …
      </button>
      <button type="button" onClick={() => setAsked('disable')}>
        {user.disabled ? 'Enable …' : 'Disable …'}
      </button>
      <button type="button" className="danger" onClick={() => setAsked('delete')}>
        Delete …
      </button>
      {asked === 'edit' && <EditUser user={user} onClose={close} />}
      {asked === 'password' && <SetPassword user={user} onClose={close} />}
      {asked === 'logout' && (
        <Confirm
          title="Log out everywhere?"
          button="Log out"
          action={() => call('POST /admin/users/{id}/revoke', { path })}
          onDone={close}
          onClose={close}
        >
          {name} is signed out on all devices at once, and can log in again.
        </Confirm>
      )}
      {asked === 'disable' && (
        <Confirm
          title={user.disabled ? 'Enable this user?' : 'Disable this user?'}
          button={user.disabled ? 'Enable' : 'Disable'}
          action={() => call('PATCH /admin/users/{id}', { path, body: { disabled: !user.disabled } })}
          onDone={close}
          onClose={close}
        >
          {name}{' '}
          {user.disabled ? 'can log in again.' : 'is signed out on all devices at once, and cannot log in.'}
        </Confirm>
      )}
      {asked === 'delete' && (
        <Confirm
          title="Delete this user?"
          button="Delete"
          action={() => call('DELETE /admin/users/{id}', { path })}
          onDone={onDeleted}
          onClose={close}
        >
          {name} is signed out on all devices at once. The audit trail keeps the id. This cannot be undone.
        </Confirm>
      )}
    </>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly button: string;
  readonly action: () => Promise<unknown>;
  readonly onDone: () => void;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

function Confirm({ title, button, action, onDone, onClose, children }: ConfirmProps) {
  const run = useAction(action, onDone);
  return (
    <Dialog title={title} onClose={onClose} onSubmit={run.run}>
      <p>{children}</p>
      {run.error !== undefined && <ErrorNotice error={run.error} />}
      <DialogButtons onCancel={onClose}>
        <button
          type="submit"
          className={button === 'Enable' ? 'primary' : 'danger'}
          aria-disabled={run.running}
        >
          {button}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

interface FormProps {
  readonly user: AdminUserDetailDto;
  readonly onClose: () => void;
}

function EditUser({ user, onClose }: FormProps) {
  const before = { role: user.role, email: user.email ?? '', external_id: user.external_id ?? '' };
  // What was there when the form was opened. Later changes by others do not overwrite what is being typed.
  const [start] = useState(before);
  const [values, setValues] = useState(start);
  const save = useAction(
    () => call('PATCH /admin/users/{id}', { path: { id: user.id }, body: changesOf(start, values) }),
    onClose,
  );
  const field = (name: keyof typeof values) => ({
    value: values[name],
    onChange: (event: { readonly target: { readonly value: string } }) =>
      setValues({ ...values, [name]: event.target.value }),
    error: fieldError(save.error, name),
  });
  const changed = Object.keys(changesOf(start, values)).length > 0;
  return (
    <Dialog
      title="Edit the user"
      onClose={onClose}
      onSubmit={() => {
        if (changed) save.run();
        else onClose();
      }}
    >
      <TextField
        label="Role"
        hint="A new role counts from the next refresh on; older access tokens are refused at once."
        {...field('role')}
        required
      />
      <TextField label="Email address" type="email" {...field('email')} />
      <TextField label="External id" {...field('external_id')} />
      {save.error !== undefined && !hasFieldErrors(save.error, values) && <ErrorNotice error={save.error} />}
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="primary" aria-disabled={save.running}>
          {save.running ? 'Saving …' : 'Save'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

/** The fields that were edited. An emptied one becomes null. */
function changesOf(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): UserChangeDto {
  const changed = Object.entries(after).filter(([name, value]) => value !== before[name]);
  return Object.fromEntries(changed.map(([name, value]) => [name, value === '' ? null : value]));
}

function SetPassword({ user, onClose }: FormProps) {
  const [password, setPassword] = useState('');
  const save = useAction(
    () => call('PATCH /admin/users/{id}', { path: { id: user.id }, body: { password } }),
    onClose,
  );
  const error = fieldError(save.error, 'password');
  return (
    <Dialog title="Set a new password" onClose={onClose} onSubmit={save.run}>
      <p>
        <Foreign text={user.username} /> is signed out on all devices at once.
      </p>
      <TextField
        label="New password"
        type="password"
        autoComplete="new-password"
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        error={error}
        required
        autoFocus
      />
      {save.error !== undefined && error === undefined && <ErrorNotice error={save.error} />}
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="primary" aria-disabled={save.running}>
          {save.running ? 'Saving …' : 'Set password'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}
