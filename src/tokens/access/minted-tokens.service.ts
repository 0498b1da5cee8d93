import { verify } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { MAX_LENGTH, readClaims } from './access-token.js';
import type { VerifiedToken } from './access-token.js';
import { ISSUER } from './issuer.js';
import { KeyRingService } from '../keys/key-ring.service.js';
import { TokenLifetimeService } from './token-lifetime.service.js';

/**
 * Proves an access token that is, letter by letter, what this service writes: with little more than the check of its signature. Takes
 * nothing that the usual verification would not take; what it does not take is that one's to judge.
 */
@Injectable()
export class MintedTokens {
  constructor(
    private readonly keys: KeyRingService,
    private readonly lifetime: TokenLifetimeService,
    @Inject(ISSUER) private readonly issuer: string,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Undefined for everything else, good or bad. Says nothing of expiry or revocation. */
  read(token: string): VerifiedToken | undefined {
    const key = token.length <= MAX_LENGTH ? this.keys.namedBy(token) : undefined;
    if (key === undefined) return undefined;
    const payloadAt = key.header.length + 1;
    const end = token.indexOf('.', payloadAt);
    const payload = decode(token.slice(payloadAt, end));
    const signature = decode(token.slice(end + 1));
    if (payload === undefined || signature === undefined) return undefined;
    if (!verify('sha256', Buffer.from(token.slice(0, end), 'latin1'), key.publicKey, signature))
      return undefined;
    const claims = parse(payload);
    const read = readClaims(claims, key.kid, this.lifetime.longest);
    const ours = read?.claims.iss === this.issuer && read.claims.aud === this.config.jwtAudience;
    return ours ? read : undefined;
  }
}

/** Undefined for any other spelling of the same bytes (RFC 4648, sections 3.5 and 5). */
function decode(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString());
  } catch {
    return undefined;
  }
}
