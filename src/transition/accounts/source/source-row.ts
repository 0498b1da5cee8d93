import { isEmail } from 'class-validator';
import { normaliseExternalId } from '../../../users/external-id.js';
import { SourceFailure } from './source-failure.js';

/** What the product says about a user. Undefined: the query does not return the column. */
export interface SourceRow {
  readonly externalId: string;
  readonly username: string | undefined;
  /** The password hash. If it is null, the user cannot log in with a password. */
  readonly passwordHash: string | null | undefined;
  /** The email address; null if there is none, or if it is not an address. */
  readonly email: string | null | undefined;
  readonly role: string | undefined;
  readonly disabled: boolean;
  /** When the password was changed, as text that is only compared; null if it is unknown. */
  readonly passwordChangedAt: string | null;
}

/** The columns that the queries may return. */
export const COLUMNS = [
  'external_id',
  'username',
  'password_hash',
  'email',
  'role',
  'disabled',
  'password_changed_at',
];
const ROLE = /^[a-z][a-z0-9_-]{0,31}$/;
const LONGEST_EMAIL = 254;
const LONGEST_TIME = 64;

/**
 * Reads a row from its JSON text. Two equal texts are the same state. Throws {@link SourceFailure} with the first fault. `asked`: the id in
 * the query by id.
 */
export function sourceRow(text: string, asked?: string): SourceRow {
  const row = parsed(text);
  // Ignoring "Disabled" would let a disabled user in.
  const misspelt = [...row.keys()].some(
    (name) => !COLUMNS.includes(name) && COLUMNS.includes(name.toLowerCase()),
  );
  if (misspelt) throw new SourceFailure('a column has its name in capitals');
  const externalId = idIn(row.get('external_id'));
  if (externalId === undefined)
    throw new SourceFailure('the row has no external_id, or one that is not valid');
  if (asked !== undefined && externalId !== asked)
    throw new SourceFailure('the row has another external_id than the one asked for');
  const email = textIn(row, 'email', 'email is not a text');
  return {
    externalId,
    username: textIn(row, 'username', 'username is not a text') ?? undefined,
    passwordHash: textIn(row, 'password_hash', 'password_hash is not a text'),
    email: typeof email === 'string' && !isAddress(email) ? null : email,
    role: roleIn(row),
    disabled: disabledIn(row),
    passwordChangedAt: timeIn(row.get('password_changed_at')),
  };
}

/** Numbers become text as they are written: an id may be greater than JavaScript's numbers. */
function parsed(text: string): ReadonlyMap<string, unknown> {
  const exact = (_: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? new NumberText(context?.source ?? String(value)) : value;
  const row = JSON.parse(text, exact as (key: string, value: unknown) => unknown) as object;
  return new Map(Object.entries(row));
}

class NumberText {
  constructor(readonly text: string) {}
}

function idIn(value: unknown): string | undefined {
  const text = value instanceof NumberText && /^\d+$/.test(value.text) ? value.text : value;
  return typeof text === 'string' ? normaliseExternalId(text) : undefined;
}

function textIn(
  row: ReadonlyMap<string, unknown>,
  name: string,
  fault: ConstructorParameters<typeof SourceFailure>[0],
): string | null | undefined {
  const value = row.get(name);
  if (value === undefined || value === null || typeof value === 'string') return value;
  throw new SourceFailure(fault);
}

function roleIn(row: ReadonlyMap<string, unknown>): string | undefined {
  const value = row.get('role') ?? undefined;
  if (value === undefined) return row.has('role') ? 'user' : undefined;
  if (typeof value === 'string' && ROLE.test(value)) return value;
  throw new SourceFailure('role is not the name of a role');
}

function disabledIn(row: ReadonlyMap<string, unknown>): boolean {
  const value = row.has('disabled') ? row.get('disabled') : false;
  if (typeof value === 'boolean') return value;
  throw new SourceFailure('disabled is not true or false');
}

function timeIn(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  const text = value instanceof NumberText ? value.text : value;
  if (typeof text === 'string' && text.length <= LONGEST_TIME) return text;
  throw new SourceFailure('password_changed_at is not a time');
}

function isAddress(email: string): boolean {
  return email.length <= LONGEST_EMAIL && isEmail(email);
}
