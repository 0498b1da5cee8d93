import { createHmac, hash } from 'node:crypto';
import { verify } from '@node-rs/bcrypt';
import { foreignScheme } from './password-scheme.js';
import type { ForeignHash } from './password-scheme.js';

/** bcrypt looks at so many bytes. */
const LIMIT = 72;

/** Milliseconds for each of the 2^cost rounds. */
const COST = 0.07;

/** 16 bytes and 23, in the spelling that has no stray bits: another one would never be found equal. */
const SALT = '[./A-Za-z0-9]{21}[.Oeu]';
const DIGEST = '[./A-Za-z0-9]{30}[.CGKOSWaeimquy26]';

/** `$2b$12$` and 53 characters; Django puts `bcrypt$` before it. 2x is the mark of hashes that a bug made. */
const PLAIN = new RegExp(String.raw`^(?:bcrypt\$)?(?<hash>\$2[aby]\$(?<cost>\d\d)\$${SALT}${DIGEST})$`);
/** Django: bcrypt of the hexadecimal SHA-256, for passwords of any length. */
const DJANGO = new RegExp(String.raw`^bcrypt_sha256\$(?<hash>\$2[aby]\$(?<cost>\d\d)\$${SALT}${DIGEST})$`);
/** passlib: `$bcrypt-sha256$v=2,t=2b,r=12$salt$digest`, and its first version `$bcrypt-sha256$2b,12$salt$digest`. */
const PASSLIB = new RegExp(
  String.raw`^\$bcrypt-sha256\$(?:(?<second>v=2,t=)(?<type>2[ab]),r=(?<cost>\d{1,2})|(?<type1>2[ab]),(?<cost1>\d{1,2}))` +
    String.raw`\$(?<salt>${SALT})\$(?<digest>${DIGEST})$`,
);

/** bcrypt, and what Django and passlib put before it so that it takes passwords of any length. */
export const bcryptScheme = foreignScheme((stored) => plain(stored) ?? django(stored) ?? passlib(stored));

/**
 * Of a longer password only the first 72 bytes were ever compared, so nobody knows the rest: such a hash stays. A
 * password with NUL is refused: to bcrypt it would be its part before the NUL, or that part repeated.
 */
function plain(stored: string): ForeignHash | undefined {
  const parts = PLAIN.exec(stored)?.groups;
  if (parts === undefined) return undefined;
  return made(Number(parts['cost']), {
    matches: async (password) => !password.includes('\0') && verify(password, parts['hash']!),
    comparesAll: (password) => Buffer.byteLength(password) <= LIMIT,
  });
}

function django(stored: string): ForeignHash | undefined {
  const parts = DJANGO.exec(stored)?.groups;
  if (parts === undefined) return undefined;
  return made(Number(parts['cost']), {
    matches: (password) => verify(hash('sha256', password), parts['hash']!),
  });
}

function passlib(stored: string): ForeignHash | undefined {
  const parts = PASSLIB.exec(stored)?.groups;
  if (parts === undefined) return undefined;
  const salt = parts['salt']!;
  const cost = (parts['cost'] ?? parts['cost1']!).padStart(2, '0');
  const whole = `$${parts['type'] ?? parts['type1']}$${cost}$${salt}${parts['digest']}`;
  const before = (password: string) =>
    parts['second'] === undefined
      ? hash('sha256', password, 'base64')
      : createHmac('sha256', salt).update(password).digest('base64');
  return made(Number(cost), { matches: (password) => verify(before(password), whole) });
}

function made(cost: number, hash: Omit<ForeignHash, 'cost'>): ForeignHash | undefined {
  return cost < 4 || cost > 31 ? undefined : { cost: COST * 2 ** cost, ...hash };
}
