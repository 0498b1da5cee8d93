import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { deriveKey } from '../../common/crypto/derived-key.js';
import type { DerivedKey } from '../../common/crypto/derived-key.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';

/** The fixed prefix by which secret scanners find refresh tokens. */
export const REFRESH_TOKEN_PREFIX = 'tandem_rt_';

const SID_BYTES = 16;
const GENERATION_BYTES = 6;
const BODY_BYTES = SID_BYTES + GENERATION_BYTES;
/** 54 bytes are exactly 72 characters of base64url, so every token has only one spelling. */
const FORM = new RegExp(`^${REFRESH_TOKEN_PREFIX}[A-Za-z0-9_-]{72}$`);

/** A parsed refresh token. Its MAC is not verified yet. */
export interface PresentedToken {
  readonly sid: string;
  readonly generation: number;
  readonly mac: Buffer;
}

/** The part of the MAC key that belongs to the family. The other part is derived from JWT_SECRET. */
export interface TokenSecret {
  readonly sid: string;
  readonly secret: Buffer;
}

/** Makes, parses and verifies refresh tokens: prefix, family, generation, and an HMAC-SHA256 over them. Stateless. */
@Injectable()
export class RefreshTokenCodec {
  /** The name of the key for new tokens: a fingerprint that reveals nothing of JWT_SECRET. */
  readonly currentKey: string;
  private readonly keys: ReadonlyMap<string, Buffer>;

  constructor(@Inject(CONFIG) config: Config) {
    const current = derive(config.jwtSecret);
    this.currentKey = current.name;
    const keys = new Map([[current.name, current.key]]);
    if (config.jwtSecretPrevious !== undefined) {
      const previous = derive(config.jwtSecretPrevious);
      keys.set(previous.name, previous.key);
    }
    this.keys = keys;
  }

  /** The token of a generation. The same arguments always give the same token. Undefined if this node does not know the key. */
  mint(family: TokenSecret, generation: number, keyName: string): string | undefined {
    const key = this.keys.get(keyName);
    if (key === undefined) return undefined;
    const body = bodyOf(family.sid, generation);
    const mac = macOf(key, family.secret, body);
    return REFRESH_TOKEN_PREFIX + Buffer.concat([body, mac]).toString('base64url');
  }

  parse(token: string): PresentedToken | undefined {
    if (!FORM.test(token)) return undefined;
    const bytes = Buffer.from(token.slice(REFRESH_TOKEN_PREFIX.length), 'base64url');
    const hex = bytes.toString('hex', 0, SID_BYTES);
    return {
      sid: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
      generation: bytes.readUIntBE(SID_BYTES, GENERATION_BYTES),
      mac: bytes.subarray(BODY_BYTES),
    };
  }

  /** Whether the MAC was made with the current JWT_SECRET or the previous one. In constant time. */
  isGenuine(presented: PresentedToken, secret: Buffer): boolean {
    const body = bodyOf(presented.sid, presented.generation);
    let genuine = false;
    for (const key of this.keys.values()) {
      if (timingSafeEqual(macOf(key, secret, body), presented.mac)) genuine = true;
    }
    return genuine;
  }
}

function derive(secret: string): DerivedKey {
  return deriveKey(secret, 'tandem refresh token');
}

function bodyOf(sid: string, generation: number): Buffer {
  const body = Buffer.alloc(BODY_BYTES);
  body.write(sid.replaceAll('-', ''), 'hex');
  body.writeUIntBE(generation, SID_BYTES, GENERATION_BYTES);
  return body;
}

function macOf(key: Buffer, secret: Buffer, body: Buffer): Buffer {
  return createHmac('sha256', createSecretKey(Buffer.concat([key, secret])))
    .update(body)
    .digest();
}
