import { hash } from 'node:crypto';
import type { Bucket } from './bucket.js';

/** The account of a product's user, besides the name: it stays when the name changes. No name contains NUL. */
export function productAccount(externalId: string): string {
  return `\0${externalId}`;
}

/**
 * The key of a counter: 16 bytes of SHA-256 in hex, fixed in size. It contains no secret: while a secret is being replaced, nodes would
 * have different keys and admit the limit twice.
 */
export function counterKey(bucket: Bucket | 'login_failures', subject: string): string {
  return hash('sha256', `${bucket}\0${subject}`, 'hex').slice(0, 32);
}
