import { isIP } from 'node:net';
import { isEmail } from 'class-validator';
import { InvalidArgumentError } from 'commander';
import { instantIn } from '../../common/instant.js';
import { ROLE_RULES, isRole } from '../../common/role.js';
import type { Role } from '../../common/role.js';

/** Parses a whole number from `min` to `max`. Like the other parsers here, throws a usage error for commander. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= min && number <= max)) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}

/** Parses a date (in UTC) or a time with a zone. */
export function time(text: string): Date {
  const at = instantIn(text);
  if (at === undefined) throw new InvalidArgumentError(`It must be ${TIME_FORMATS}.`);
  return new Date(at);
}

const TIME_FORMATS = 'a date such as 2027-01-31 or a time with a zone such as 2027-01-31T12:00:00Z';

/** Parses a time, or a duration before now (`90s`, `15m`, `12h`, `30d`). */
export function timeOrDuration(text: string): Date {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined)
    return new Date(
      Date.now() - Number(count) * SECONDS_PER_UNIT[unit as keyof typeof SECONDS_PER_UNIT] * 1000,
    );
  const at = instantIn(text);
  if (at === undefined)
    throw new InvalidArgumentError(`It must be ${TIME_FORMATS}, or a duration ago such as 15m, 12h or 30d.`);
  return new Date(at);
}

const SECONDS_PER_UNIT = { s: 1, m: 60, h: 3_600, d: 86_400 };

export function uuid(text: string): string {
  if (!isUuid(text)) throw new InvalidArgumentError('It must be a UUID.');
  return text.toLowerCase();
}

export function isUuid(text: string): boolean {
  return /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i.test(text);
}

/** Parses an IPv4 or IPv6 address. */
export function address(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('It must be an IP address.');
  return text;
}

export function mailAddress(text: string): string {
  if (!isEmail(text) || text.length > 254) throw new InvalidArgumentError('It must be an email address.');
  return text;
}

/** Parses the name of a role. */
export function roleName(text: string): Role {
  if (!isRole(text)) throw new InvalidArgumentError(`It ${ROLE_RULES}.`);
  return text;
}

/** Parses several names of roles. */
export function appendRole(text: string, previous: Role[] | undefined): Role[] {
  return [...(previous ?? []), roleName(text)];
}

/** Parses a repeatable `THEIRS=OURS`: a role of another system and the role that it becomes. */
export function appendRoleMapping(
  text: string,
  previous: ReadonlyMap<string, Role> | undefined,
): ReadonlyMap<string, Role> {
  const [, theirs, ours] = /^(.+)=([^=]*)$/.exec(text) ?? [];
  if (theirs === undefined || ours === undefined)
    throw new InvalidArgumentError('It must be two roles such as admin=manager.');
  if (previous?.has(theirs) === true) throw new InvalidArgumentError(`It maps the role ${theirs} twice.`);
  return new Map(previous).set(theirs, roleName(ours));
}

/** Collects the values of a repeatable option. */
export function appendValue(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** An expected failure of a command. The message is written to stderr, and the exit code is 1. */
export class CommandError extends Error {
  override readonly name = 'CommandFailed';
}

/** The default of `--limit`. */
export const DEFAULT_SHOWN = 50;

/** The maximum of `--limit`. Use an export for more. */
export const MAX_SHOWN = 100_000;

/** Entries per page. */
const PAGE_SIZE = 100;

/** Reads up to `limit` entries of a paginated list, and the cursor of the next entry. */
export async function readPages<Entry>(
  limit: number,
  cursor: string | undefined,
  page: (
    limit: number,
    cursor?: string,
  ) => Promise<{ entries: readonly Entry[]; next_cursor: string | null }>,
): Promise<{ entries: Entry[]; next_cursor: string | null }> {
  const all: Entry[] = [];
  let next: string | null | undefined = cursor;
  do {
    const { entries, next_cursor } = await page(Math.min(PAGE_SIZE, limit - all.length), next);
    all.push(...entries);
    next = next_cursor;
  } while (next !== null && all.length < limit);
  return { entries: all, next_cursor: next };
}
