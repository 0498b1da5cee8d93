import { pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { base64, foreignScheme, isTag } from './password-scheme.js';
import type { ForeignHash } from './password-scheme.js';

const derive = promisify(pbkdf2);

/** Per hash function: the size of a block in bytes, and the milliseconds of a thousand iterations for one block. */
const DIGESTS: Readonly<Record<string, { readonly bytes: number; readonly cost: number }>> = {
  sha1: { bytes: 20, cost: 0.2 },
  sha256: { bytes: 32, cost: 0.2 },
  sha512: { bytes: 64, cost: 0.5 },
};

/** `pbkdf2_sha256$1000000$salt$base64` */
const DJANGO =
  /^pbkdf2_(?<digest>sha1|sha256)\$(?<rounds>[1-9]\d{0,8})\$(?<text>[^$]+)\$(?<tag>[A-Za-z0-9+/]+={0,2})$/;
/** `pbkdf2:sha256:1000000$salt$hex`. Without a number of iterations, it would depend on the version of Werkzeug. */
const WERKZEUG =
  /^pbkdf2:(?<digest>sha1|sha256|sha512):(?<rounds>[1-9]\d{0,8})\$(?<text>[^$]+)\$(?<hex>(?:[0-9a-f]{2})+)$/;
/** `$pbkdf2-sha256$29000$salt$tag`. Without a digest, it is SHA-1. */
const PASSLIB =
  /^\$pbkdf2(?:-(?<digest>sha1|sha256|sha512))?\$(?<rounds>[1-9]\d{0,8})\$(?<salt>[\w./]+)\$(?<tag>[\w./]+)$/;
/** `$pbkdf2-sha256$i=600000,l=32$salt$tag` */
const PHC =
  /^\$pbkdf2(?:-(?<digest>sha1|sha256|sha512))?\$(?<phc>i=)(?<rounds>[1-9]\d{0,8})(?:,l=(?<length>\d{1,3}))?\$(?<salt>[A-Za-z0-9+/]+)\$(?<tag>[A-Za-z0-9+/]+)$/;

/** PBKDF2 (RFC 8018) as Django, Werkzeug, passlib and PHC write it. */
export const pbkdf2Scheme = foreignScheme(read);

function read(stored: string): ForeignHash | undefined {
  const parts = [DJANGO, WERKZEUG, PASSLIB, PHC].map((form) => form.exec(stored)?.groups).find(Boolean);
  if (parts === undefined) return undefined;
  const digest = parts['digest'] ?? 'sha1';
  // Django and Werkzeug use the characters of the salt without decoding them.
  const salt = parts['salt'] === undefined ? Buffer.from(parts['text'] ?? '') : base64(parts['salt']);
  const tag = parts['hex'] === undefined ? base64(parts['tag'] ?? '') : Buffer.from(parts['hex'], 'hex');
  const rounds = Number(parts['rounds']);
  const { bytes, cost } = DIGESTS[digest]!;
  // Only PHC allows other lengths than that of the digest: a shorter tag in another form is truncated.
  const length = parts['phc'] === undefined ? bytes : Number(parts['length'] ?? tag.length);
  if (!isTag(tag) || tag.length !== length) return undefined;
  return {
    cost: (rounds / 1000) * cost * Math.ceil(tag.length / bytes),
    matches: async (password) => sameSecret(await derive(password, salt, rounds, tag.length, digest), tag),
  };
}
