import { isIP } from 'node:net';
import { isEmail } from 'class-validator';
import { InvalidArgumentError } from 'commander';
import { instantIn } from '../../common/instant.js';

/** For commander: a whole number within the bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= min && number <= max)) {
      throw new InvalidArgumentError(`It takes a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}

/** For commander: a date (in UTC) or a time with a zone. */
export function time(text: string): Date {
  const at = instantIn(text);
  if (at === undefined) throw new InvalidArgumentError(`It takes ${A_TIME}.`);
  return new Date(at);
}

const A_TIME = 'a date such as 2027-01-31 or a time with a zone such as 2027-01-31T12:00:00Z';

/** For commander: the same, or so long ago (`90s`, `15m`, `12h`, `30d`). */
export function moment(text: string): Date {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined)
    return new Date(Date.now() - Number(count) * SECONDS[unit as keyof typeof SECONDS] * 1000);
  const at = instantIn(text);
  if (at === undefined)
    throw new InvalidArgumentError(`It takes ${A_TIME}, or 15m, 12h, 30d for so long ago.`);
  return new Date(at);
}

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** For commander: a UUID. */
export function uuid(text: string): string {
  if (!isUuid(text)) throw new InvalidArgumentError('It takes a UUID.');
  return text.toLowerCase();
}

export function isUuid(text: string): boolean {
  return /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i.test(text);
}

/** For commander: an IPv4 or IPv6 address. */
export function address(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('It takes an IP address.');
  return text;
}

/** For commander: where mail goes to. */
export function mailAddress(text: string): string {
  if (!isEmail(text) || text.length > 254) throw new InvalidArgumentError('It takes a mail address.');
  return text;
}

/** For commander: an option that may be repeated. */
export function gathered(one: string, before: string[] | undefined): string[] {
  return [...(before ?? []), one];
}
