import { randomUUID } from 'node:crypto';
import { isEmail, isUUID } from 'class-validator';
import type { Appraisal } from '../hashing/password-hasher.js';
import type { Role } from '../user.entity.js';
import { normaliseUsername } from '../username.js';
import { RowRefused } from './row-reader.js';
import type { RawRow } from './row-reader.js';

/** A valid row, ready to be stored. */
export interface ImportedUser {
  readonly line: number;
  readonly id: string;
  /** Whether the id comes from the row; otherwise it is new. */
  readonly idGiven: boolean;
  readonly externalId: string | null;
  readonly username: string;
  readonly usernameKey: string;
  readonly passwordHash: string;
  readonly role: Role;
  readonly email: string | null;
  /** See PasswordHasher.appraise. */
  readonly floor: number;
}

const MAX_EXTERNAL_ID = 255;
const NIL = '00000000-0000-0000-0000-000000000000';

/** Validates a row. Throws {@link RowRefused} with the first error. */
export function importedUser(
  line: number,
  row: RawRow,
  appraise: (stored: string) => Appraisal,
): ImportedUser {
  if (row.username === undefined) throw new RowRefused('username is missing');
  const name = normaliseUsername(row.username);
  if (name === undefined) {
    throw new RowRefused('username must have 1 to 128 visible characters and no white space');
  }
  if (row.password_hash === undefined) throw new RowRefused('password_hash is missing');
  return {
    line,
    ...idOf(row.id),
    username: name.display,
    usernameKey: name.key,
    passwordHash: row.password_hash,
    role: roleOf(row.role),
    email: emailOf(row.email),
    floor: floorOf(appraise(row.password_hash)),
  };
}

function floorOf(appraisal: Appraisal): number {
  if (appraisal.outcome === 'known') return appraisal.floor;
  throw new RowRefused(
    appraisal.outcome === 'too_costly'
      ? 'password_hash takes too much time or memory to check'
      : 'password_hash has an unknown format or is incomplete',
  );
}

function roleOf(role: string | undefined): Role {
  if (role === undefined || role === 'user') return 'user';
  if (role === 'admin') return 'admin';
  throw new RowRefused('role must be user or admin');
}

function emailOf(email: string | undefined): string | null {
  if (email === undefined) return null;
  if (email.length <= 254 && isEmail(email)) return email;
  throw new RowRefused('email is not a valid address');
}

function idOf(id: string | undefined): Pick<ImportedUser, 'id' | 'idGiven' | 'externalId'> {
  if (id === undefined) return { id: randomUUID(), idGiven: false, externalId: null };
  if (id === NIL) throw new RowRefused('id must not be the nil UUID');
  if (isUUID(id, 'all')) return { id: id.toLowerCase(), idGiven: true, externalId: null };
  const fits = id.length <= MAX_EXTERNAL_ID && id.isWellFormed() && !/\p{Cc}/u.test(id);
  if (!fits)
    throw new RowRefused(`id must have at most ${MAX_EXTERNAL_ID} characters and no control characters`);
  return { id: randomUUID(), idGiven: false, externalId: id };
}
