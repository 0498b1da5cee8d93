import { hash } from 'node:crypto';

/** What is proved: a family's id and a generation. */
export const BODY_BYTES = 22;

export const MAC_BYTES = 32;

/** Of SHA-256: as long as both halves of the key together, which is why the key needs no preparation. */
const BLOCK = 64;
const HALF = BLOCK / 2;

/** Written anew by each call, and read by none but it. */
const inner = Buffer.alloc(BLOCK + BODY_BYTES);
const outer = Buffer.alloc(BLOCK + MAC_BYTES);

/**
 * HMAC-SHA256 (RFC 2104) over `body`, with the two halves of 32 bytes as the key. `createHmac` gives the same and takes ten times as
 * long for it, because it makes an object of each key: every refresh needs two.
 */
export function familyMac(first: Uint8Array, second: Uint8Array, body: Uint8Array): Buffer {
  for (let index = 0; index < HALF; index++) {
    inner[index] = first[index]! ^ 0x36;
    inner[index + HALF] = second[index]! ^ 0x36;
    outer[index] = first[index]! ^ 0x5c;
    outer[index + HALF] = second[index]! ^ 0x5c;
  }
  inner.set(body, BLOCK);
  outer.write(hash('sha256', inner, 'binary'), BLOCK, 'latin1');
  return Buffer.from(hash('sha256', outer, 'binary'), 'latin1');
}
