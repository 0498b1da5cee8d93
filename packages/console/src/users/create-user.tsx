import { useState } from 'react';
import { useAction } from '../api/actions.js';
import type { ApiError } from '../api/api-error.js';
import { call } from '../api/call.js';
import { linkTo } from '../app/place.js';
import { goTo } from '../app/router.js';
import { Dialog, DialogButtons } from '../ui/dialog.js';
import { TextField } from '../ui/field.js';
import { ErrorNotice } from '../ui/notice.js';

const EMPTY = { username: '', email: '', role: 'user', external_id: '', password: '' };

/** Creates a user, and goes there. */
export function CreateUser({ onClose }: { readonly onClose: () => void }) {
  const [values, setValues] = useState(EMPTY);
  const create = useAction(
    () => call('POST /admin/users', { body: given(values) }),
    (user) => {
      onClose();
      goTo(linkTo(['users', user.id]));
    },
  );
  const field = (name: keyof typeof EMPTY) => ({
    value: values[name],
    onChange: (event: { readonly target: { readonly value: string } }) =>
      setValues({ ...values, [name]: event.target.value }),
    error: fieldError(create.error, name),
  });
  return (
    <Dialog title="Create a user" onClose={onClose} onSubmit={create.run}>
      <TextField label="Username" {...field('username')} required maxLength={256} autoFocus />
      <TextField label="Email address (optional)" type="email" {...field('email')} />
      <TextField label="Role" {...field('role')} required />
      <TextField
        label="External id (optional)"
        hint="The user’s id in your product."
        {...field('external_id')}
      />
      <TextField
        label="Password (optional)"
        hint="Without one, the user cannot log in by password."
        type="password"
        autoComplete="new-password"
        {...field('password')}
      />
      {create.error !== undefined && !hasFieldErrors(create.error, EMPTY) && (
        <ErrorNotice error={create.error} />
      )}
      <DialogButtons onCancel={onClose}>
        <button type="submit" className="primary" aria-disabled={create.running}>
          {create.running ? 'Creating …' : 'Create'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

/** The values that are not empty. */
function given(values: typeof EMPTY) {
  const filled = Object.entries(values).filter(([, value]) => value !== '');
  return Object.fromEntries(filled) as unknown as typeof EMPTY;
}

/** The service's message about a field. */
export function fieldError(error: ApiError | undefined, name: string): string | undefined {
  return error?.fields.find(({ field }) => field === name)?.message;
}

/** Whether a form shows all that is wrong beside its fields. */
export function hasFieldErrors({ fields }: ApiError, form: object): boolean {
  return fields.length > 0 && fields.every(({ field }) => field in form);
}
