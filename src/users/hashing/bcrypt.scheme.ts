import { createHmac, hash } from 'node:crypto';
import { verify } from '@node-rs/bcrypt';
import { foreignScheme } from './password-scheme.js';
import type { ForeignHash } from './password-scheme.js';

/** The number of bytes of a password that bcrypt reads. */
const MAX_PASSWORD_BYTES = 72;

/** There are 2^cost rounds. */
const MS_PER_ROUND = 0.07;

/**
 * Base64 of 16 and of 23 bytes. The unused bits of the last character are zero (canonical form), because bcrypt writes it that way: another
 * form would never match.
 */
const SALT = '[./A-Za-z0-9]{21}[.Oeu]';
const DIGEST = '[./A-Za-z0-9]{30}[.CGKOSWaeimquy26]';

/** `$2b$12$` and 53 characters. Django writes `bcrypt$` before it. 2x marks hashes of an implementation with a bug. */
const PLAIN = new RegExp(String.raw`^(?:bcrypt\$)?(?<hash>\$2[aby]\$(?<cost>\d\d)\$${SALT}${DIGEST})$`);
/** Django: bcrypt of the hexadecimal SHA-256, for passwords of any length. */
const DJANGO = new RegExp(String.raw`^bcrypt_sha256\$(?<hash>\$2[aby]\$(?<cost>\d\d)\$${SALT}${DIGEST})$`);
/** passlib: `$bcrypt-sha256$v=2,t=2b,r=12$salt$digest`, and its first version `$bcrypt-sha256$2b,12$salt$digest`. */
const PASSLIB = new RegExp(
  String.raw`^\$bcrypt-sha256\$(?:(?<second>v=2,t=)(?<type>2[ab]),r=(?<cost>\d{1,2})|(?<type1>2[ab]),(?<cost1>\d{1,2}))` +
    String.raw`\$(?<salt>${SALT})\$(?<digest>${DIGEST})$`,
);

/** bcrypt, and the variants of Django and passlib that hash the password first, so that it can have any length. */
export const bcryptScheme = foreignScheme((stored) => plain(stored) ?? django(stored) ?? passlib(stored));

/**
 * bcrypt compares only the first 72 bytes of a longer password, so the rest was not verified, and the hash is not replaced. A password with
 * NUL is refused: bcrypt would read only the part before the NUL, or repeat that part.
 */
function plain(stored: string): ForeignHash | undefined {
  const parts = PLAIN.exec(stored)?.groups;
  if (parts === undefined) return undefined;
  return withCost(Number(parts['cost']), {
    matches: async (password) => !password.includes('\0') && verify(password, parts['hash']!),
    comparesAll: (password) => Buffer.byteLength(password) <= MAX_PASSWORD_BYTES,
  });
}

function django(stored: string): ForeignHash | undefined {
  const parts = DJANGO.exec(stored)?.groups;
  if (parts === undefined) return undefined;
  return withCost(Number(parts['cost']), {
    matches: (password) => verify(hash('sha256', password), parts['hash']!),
  });
}

function passlib(stored: string): ForeignHash | undefined {
  const parts = PASSLIB.exec(stored)?.groups;
  if (parts === undefined) return undefined;
  const salt = parts['salt']!;
  const cost = (parts['cost'] ?? parts['cost1']!).padStart(2, '0');
  const bcryptHash = `$${parts['type'] ?? parts['type1']}$${cost}$${salt}${parts['digest']}`;
  const prehash = (password: string) =>
    parts['second'] === undefined
      ? hash('sha256', password, 'base64')
      : createHmac('sha256', salt).update(password).digest('base64');
  return withCost(Number(cost), { matches: (password) => verify(prehash(password), bcryptHash) });
}

/** Undefined if bcrypt does not allow the cost. */
function withCost(cost: number, hash: Omit<ForeignHash, 'cost'>): ForeignHash | undefined {
  return cost < 4 || cost > 31 ? undefined : { cost: MS_PER_ROUND * 2 ** cost, ...hash };
}
