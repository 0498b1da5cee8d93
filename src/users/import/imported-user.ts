import { randomUUID } from 'node:crypto';
import { isEmail } from 'class-validator';
import type { Appraisal } from '../hashing/password-hasher.js';
import { DEFAULT_ROLE, ROLE_RULES, isRole } from '../../common/role.js';
import type { Role } from '../../common/role.js';
import { fitsUser, isUuid, normaliseExternalId, EXTERNAL_ID_RULES } from '../external-id.js';
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
  /** The password hash. If it is null, the user cannot log in with a password. */
  readonly passwordHash: string | null;
  readonly role: Role;
  /** The role that the row asks for. It is another one if the row may not make an administrator. */
  readonly wantedRole: Role;
  readonly email: string | null;
  /** See PasswordHasher.appraise. */
  readonly floor: number;
}

const NIL = '00000000-0000-0000-0000-000000000000';

/** How rows become users. */
export interface RowRules {
  readonly appraise: (stored: string) => Appraisal;
  /** The role of a user for whom the row wants this one. */
  readonly roleFor: (wanted: Role) => Role;
  /** Roles of the other system, in its spelling, and the roles that they become. */
  readonly mappedRoles: ReadonlyMap<string, Role>;
}

/** Validates a row. Throws {@link RowRefused} with the first error. */
export function importedUser(line: number, row: RawRow, rules: RowRules): ImportedUser {
  if (row.username === undefined) throw new RowRefused('username is missing');
  const name = normaliseUsername(row.username);
  if (name === undefined) {
    throw new RowRefused('username must have 1 to 128 visible characters and no white space');
  }
  const wantedRole = roleOf(row.role, rules.mappedRoles);
  return {
    line,
    ...idsOf(row.id, row.external_id),
    username: name.display,
    usernameKey: name.key,
    passwordHash: row.password_hash ?? null,
    role: rules.roleFor(wantedRole),
    wantedRole,
    email: emailOf(row.email),
    floor: row.password_hash === undefined ? 0 : floorOf(rules.appraise(row.password_hash)),
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

function roleOf(role: string | undefined, mapped: ReadonlyMap<string, Role>): Role {
  if (role === undefined) return DEFAULT_ROLE;
  const own = mapped.get(role) ?? role;
  if (isRole(own)) return own;
  throw new RowRefused(`role ${ROLE_RULES}: map it with --map-role`);
}

function emailOf(email: string | undefined): string | null {
  if (email === undefined) return null;
  if (email.length <= 254 && isEmail(email)) return email;
  throw new RowRefused('email is not a valid address');
}

/** The id that the row gives is also the external id, unless the row gives one itself. Only a UUID can be the id. */
function idsOf(
  id: string | undefined,
  external: string | undefined,
): Pick<ImportedUser, 'id' | 'idGiven' | 'externalId'> {
  if (id === NIL || external === NIL) throw new RowRefused('id must not be the nil UUID');
  const given = id === undefined ? undefined : requiredId('id', id);
  const externalId = external === undefined ? (given ?? null) : requiredId('external_id', external);
  if (given !== undefined && !isUuid(given) && given !== externalId)
    throw new RowRefused('id must be a UUID if external_id is another text');
  const uuid = [given, externalId].find((text) => text != null && isUuid(text));
  if (uuid == null) return { id: randomUUID(), idGiven: false, externalId };
  if (externalId !== null && !fitsUser(externalId, uuid))
    throw new RowRefused('external_id must be the id if it is a UUID');
  return { id: uuid, idGiven: true, externalId };
}

function requiredId(field: string, text: string): string {
  const normalised = normaliseExternalId(text);
  if (normalised === undefined) throw new RowRefused(`${field} ${EXTERNAL_ID_RULES}`);
  return normalised;
}
