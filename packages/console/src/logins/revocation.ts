import type { Filters } from '../ui/filter-field.js';

/** What a bulk revocation takes, and the query that counts the same logins. */
export interface Revocation {
  readonly body: Readonly<Record<string, string | readonly string[]>>;
  readonly count: Readonly<Record<string, string>>;
}

const DIRECT = {
  began_before: 'issued_before',
  began_since: 'began_since',
  used_since: 'used_since',
  used_before: 'used_before',
  role: 'role',
  ip: 'ip',
  user_agent: 'user_agent',
} as const;

/**
 * The revocation of everything that the filters match, or the reason why there is none. `userId` is the user whom the filters name by name or
 * external id, `defaults` what the list asks for without filters.
 */
export function revocationOf(
  given: Filters,
  userId?: string,
  defaults: Filters = {},
): Revocation | { readonly impossible: string } {
  if (given['reason'] !== undefined || (given['state'] ?? 'active') !== 'active')
    return {
      impossible: 'Only active logins can be revoked. Set the state to “Active” and clear “Ended by”.',
    };
  if (given['scheme'] === 'session')
    return {
      impossible: 'Sessions alone cannot be revoked by a filter. Choose tokens and sessions, or select rows.',
    };
  const named = given['user_id'] ?? (given['username'] || given['external_id'] ? userId : undefined);
  if (named === undefined && (given['username'] || given['external_id']))
    return { impossible: 'No user matches.' };
  const body: Record<string, string | readonly string[]> = {};
  for (const [name, target] of Object.entries(DIRECT))
    if (given[name] !== undefined) body[target] = given[name];
  if (named !== undefined) body['user_ids'] = [named];
  const kinds = Object.keys(body);
  if (kinds.length === 0)
    return {
      impossible: 'Select rows to revoke them, or filter the list to revoke everything that matches.',
    };
  // Unlinked sessions end only if the filters are about people.
  const aboutPeople = kinds.every((kind) => kind === 'role' || kind === 'user_ids');
  if (aboutPeople && given['scheme'] !== undefined)
    return {
      impossible: 'The sessions of these users would end too. Choose tokens and sessions, or select rows.',
    };
  const { scheme: _scheme, ...rest } = given;
  return { body, count: { ...(aboutPeople ? defaults : {}), ...rest, state: 'active' } };
}
