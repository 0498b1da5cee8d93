import { scrypt } from 'node:crypto';
import type { BinaryLike, ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { MAX_MEMORY, base64, foreignScheme, isTag } from './password-scheme.js';
import type { ForeignHash } from './password-scheme.js';

const derive = promisify<BinaryLike, BinaryLike, number, ScryptOptions, Buffer>(scrypt);

/** Milliseconds to fill and read one mebibyte once. */
const COST = 4;

/** The length of the tags of Django and Werkzeug, in bytes. */
const LENGTH = 64;

/** `scrypt$16384$salt$8$5$base64` */
const DJANGO =
  /^scrypt\$(?<n>\d{1,8})\$(?<text>[^$]+)\$(?<r>\d{1,4})\$(?<p>\d{1,4})\$(?<tag>[A-Za-z0-9+/]+={0,2})$/;
/** `scrypt:32768:8:1$salt$hex` */
const WERKZEUG =
  /^scrypt:(?<n>\d{1,8}):(?<r>\d{1,4}):(?<p>\d{1,4})\$(?<text>[^$]+)\$(?<hex>(?:[0-9a-f]{2})+)$/;
/** `$scrypt$ln=16,r=8,p=1$salt$tag`, where ln is the binary logarithm of N. */
const PHC =
  /^\$scrypt\$ln=(?<ln>\d{1,2}),r=(?<r>\d{1,4}),p=(?<p>\d{1,4})\$(?<salt>[A-Za-z0-9+/]+)\$(?<tag>[A-Za-z0-9+/]+)$/;

/** The cost parameters of scrypt (RFC 7914). */
export interface ScryptCost {
  /** A power of two. */
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** scrypt as Django, Werkzeug, passlib and PHC write it. */
export const scryptScheme = foreignScheme(read);

/** See `PasswordScheme.costOf`. Undefined for parameters that scrypt does not allow. */
export function scryptCost({ N, r, p }: ScryptCost): number | undefined {
  if (N < 2 || !Number.isInteger(Math.log2(N)) || r < 1 || p < 1) return undefined;
  // RFC 7914, section 6: scrypt is not defined for other parameters.
  if (Math.log2(N) >= 16 * r || r * p >= 2 ** 30) return undefined;
  const memory = 128 * N * r;
  return memory > MAX_MEMORY ? Infinity : (memory / 2 ** 20) * p * COST;
}

/** Runs outside the event loop. The caller has checked that the cost is bounded. */
export function deriveScrypt(
  password: string,
  salt: Buffer,
  length: number,
  cost: ScryptCost,
): Promise<Buffer> {
  return derive(password, salt, length, { ...cost, maxmem: 4 * MAX_MEMORY });
}

function read(stored: string): ForeignHash | undefined {
  const parts = [DJANGO, WERKZEUG, PHC].map((form) => form.exec(stored)?.groups).find(Boolean);
  if (parts === undefined) return undefined;
  const N = parts['ln'] === undefined ? Number(parts['n']) : 2 ** Number(parts['ln']);
  const turned = { N, r: Number(parts['r']), p: Number(parts['p']) };
  const cost = scryptCost(turned);
  const salt = parts['salt'] === undefined ? Buffer.from(parts['text'] ?? '') : base64(parts['salt']);
  const tag = parts['hex'] === undefined ? base64(parts['tag'] ?? '') : Buffer.from(parts['hex'], 'hex');
  const whole = parts['ln'] === undefined ? tag.length === LENGTH : isTag(tag);
  if (cost === undefined || !whole) return undefined;
  return {
    cost,
    matches: async (password) => sameSecret(await deriveScrypt(password, salt, tag.length, turned), tag),
  };
}
