import type { Role } from '../../common/role.js';
import { foldCase } from '../../users/username.js';
import type { RevocationReason } from './refresh-token.entity.js';

/** `ended`: expired or revoked. */
export const FAMILY_STATES = ['active', 'ended', 'expired', 'revoked'] as const;

export type FamilyState = (typeof FAMILY_STATES)[number];

/** Selects the families that match all given conditions. */
export interface FamilyFilter {
  readonly userIds?: readonly string[] | undefined;
  /** The user with exactly this external id. */
  readonly externalId?: string | undefined;
  /** The user with this name, in any letter case. */
  readonly username?: string | undefined;
  readonly role?: Role | undefined;
  /** The address of the last use: an address in the spelling of `canonicalAddress`, or a network in CIDR notation. */
  readonly ip?: string | undefined;
  /** Opened at or after this time. Later refreshes do not matter. */
  readonly issuedSince?: Date | undefined;
  /** Opened before this time. */
  readonly issuedBefore?: Date | undefined;
  readonly usedSince?: Date | undefined;
  readonly usedBefore?: Date | undefined;
  /** Part of the user agent of the last use, in any letter case. */
  readonly userAgent?: string | undefined;
  readonly state?: FamilyState | undefined;
  readonly reason?: RevocationReason | undefined;
}

/** The conditions that neither the index of users nor that of times serves: a list must examine rows for them. */
const EXAMINED = ['ip', 'usedSince', 'usedBefore', 'userAgent', 'state', 'reason'] as const;

const IS_ACTIVE = `(t.revoked_at IS NULL AND t.expires_at > now())`;

const IN_STATE: Readonly<Record<FamilyState, string>> = {
  active: IS_ACTIVE,
  ended: `NOT ${IS_ACTIVE}`,
  expired: `(t.revoked_at IS NULL AND t.expires_at <= now())`,
  revoked: `t.revoked_at IS NOT NULL`,
};

/** Adds a value to the parameters of a statement and returns its placeholder. */
export type NextParameter = (value: unknown) => string;

/** The conditions on a family `t` and its user `u`, as SQL. There is one text for each combination of fields. */
export function conditionsOf(filter: FamilyFilter, next: NextParameter): string[] {
  const { userIds, externalId, username, role, ip, issuedSince, issuedBefore } = filter;
  const { usedSince, usedBefore, userAgent, state, reason } = filter;
  const conditions: string[] = [];
  // ISO 8601 has more digits for the year 10000, which a time zone may lead to.
  const time = (value: Date) => `to_timestamp(${next(value.getTime())}::float8 / 1000)`;
  if (userIds !== undefined) conditions.push(`t.user_id = ANY (${next(userIds)}::uuid[])`);
  if (externalId !== undefined)
    conditions.push(`t.user_id = (SELECT id FROM users WHERE external_id = ${next(externalId)})`);
  if (username !== undefined)
    conditions.push(`t.user_id = (SELECT id FROM users WHERE username_key = ${next(foldCase(username))})`);
  if (role !== undefined) conditions.push(`u.role = ${next(role)}`);
  if (ip !== undefined) conditions.push(inNetwork(ip, next));
  if (issuedSince !== undefined) conditions.push(`t.created_at >= ${time(issuedSince)}`);
  if (issuedBefore !== undefined) conditions.push(`t.created_at < ${time(issuedBefore)}`);
  if (usedSince !== undefined) conditions.push(`t.last_used_at >= ${time(usedSince)}`);
  if (usedBefore !== undefined) conditions.push(`t.last_used_at < ${time(usedBefore)}`);
  if (userAgent !== undefined)
    conditions.push(`strpos(lower(t.user_agent), lower(${next(userAgent)}::text)) > 0`);
  if (state !== undefined) conditions.push(IN_STATE[state]);
  if (reason !== undefined) conditions.push(`t.revoke_reason = ${next(reason)}`);
  return conditions;
}

/** Whether a list has to examine rows that may not match, and no user bounds their number. */
export function needsSearch(filter: FamilyFilter): boolean {
  const ofUsers = [filter.userIds, filter.externalId, filter.username].some((value) => value !== undefined);
  return !ofUsers && EXAMINED.some((field) => filter[field] !== undefined);
}

/** The pattern keeps text that is no address, which only another program can have written, away from the conversion. */
function inNetwork(ip: string, next: NextParameter): string {
  if (!ip.includes('/')) return `t.ip = ${next(ip)}`;
  return `CASE WHEN t.ip ~ '^[0-9a-f.:]+$' THEN t.ip::inet <<= ${next(ip)}::inet ELSE false END`;
}
