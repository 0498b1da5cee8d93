import { verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { MAX_LENGTH, inspectToken, readClaims } from '@tandem-auth/verifier/token';
import type { AccessClaims, TokenFault, VerifiedToken } from '@tandem-auth/verifier/token';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { ChangeFeed } from '../feed/change-feed.js';
import { DatabaseClock } from '../feed/database-clock.js';
import { RevocationList } from '../feed/revocation-list.js';
import { KeyRingService } from '../keys/key-ring.service.js';
import { ISSUER } from './issuer.js';
import { TokenLifetimeService } from './token-lifetime.service.js';

/** Why a verified token is refused now. */
export type TokenRefusal = 'token_invalid' | 'token_revoked' | 'token_expired';

/** Milliseconds from a token with an unknown key to the poll that it shares with all others of that time. */
const LEARN_DELAY_MS = 50;

/** The key that a token names, as `keyOf` finds it. */
type FindKey = (kid: string) => KeyObject | undefined;

/**
 * Verifies access tokens (RFC 9068) for the guard, logout, introspection and the report.
 *
 * Verification has two steps. The first one answers whether this service signed the token: form, header, signature, issuer, audience and
 * claims. Its answer never changes, so callers may keep it. The second one, {@link refusalOf}, answers whether the token is accepted now:
 * trust in its key, revocation and expiry. Callers take it for each request.
 */
@Injectable()
export class AccessTokenVerifierService {
  private learning: Promise<void> | undefined;

  constructor(
    private readonly keys: KeyRingService,
    private readonly feed: ChangeFeed,
    private readonly revocations: RevocationList,
    private readonly clock: DatabaseClock,
    private readonly lifetime: TokenLifetimeService,
    private readonly jwt: JwtService,
    @Inject(ISSUER) private readonly issuer: string,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Returns the token if this service signed it, even if it has expired, was revoked, or its key was distrusted. */
  async verify(token: string): Promise<VerifiedToken | undefined> {
    let verified = this.verifyCanonical(token);
    if (verified === undefined) {
      await this.learnKeyOf(token);
      verified = await this.verifyBy(token, (kid) => this.keys.verificationKey(kid)?.publicKey);
    }
    return verified !== undefined && this.isForUs(verified.claims) ? verified : undefined;
  }

  /**
   * If the token names a key that this node does not know, reads the change feed: another node may have begun to sign with it a moment
   * ago. Needs no I/O for known keys, and callers share a poll, at most 20 in a second: anybody can send a token that names a key. Never
   * throws.
   */
  async learnKeyOf(token: string): Promise<void> {
    const header = inspectToken(token);
    if ('fault' in header || this.keys.verificationKey(header.kid) !== undefined) return;
    await (this.learning ??= sleep(LEARN_DELAY_MS).then(() => {
      this.learning = undefined;
      return this.feed.catchUp().catch(() => undefined);
    }));
  }

  /**
   * The fast path: verifies a token that has the exact header that this service writes. Undefined for every other token, good or bad.
   * It accepts no token that {@link verify} refuses.
   */
  verifyCanonical(token: string): VerifiedToken | undefined {
    const key = token.length <= MAX_LENGTH ? this.keys.namedBy(token) : undefined;
    if (key === undefined) return undefined;
    const payloadAt = key.header.length + 1;
    const end = token.indexOf('.', payloadAt);
    const payload = decode(token.slice(payloadAt, end));
    const signature = decode(token.slice(end + 1));
    if (payload === undefined || signature === undefined) return undefined;
    const input = Buffer.from(token.slice(0, end), 'latin1');
    if (!verify('sha256', input, key.publicKey, signature)) return undefined;
    const verified = readClaims(parse(payload), key.kid, this.lifetime.longest);
    return verified !== undefined && this.isForUs(verified.claims) ? verified : undefined;
  }

  /** Returns the token if the key that `keyOf` finds signed it, for any issuer and audience. Says nothing about the trust in that key. */
  async verifyBy(token: string, keyOf: FindKey): Promise<VerifiedToken | undefined> {
    const header = inspectToken(token);
    const publicKey = 'kid' in header ? keyOf(header.kid) : undefined;
    if (publicKey === undefined) return undefined;
    try {
      const payload: unknown = await this.jwt.verifyAsync(token, {
        // jsonwebtoken accepts a KeyObject, although the type says text.
        publicKey: publicKey as never,
        algorithms: ['RS256'],
        ignoreExpiration: true,
      });
      return this.readPayload(token, payload);
    } catch {
      return undefined;
    }
  }

  /** Returns the key that must have signed the token, for passport-jwt, which checks signature, issuer and audience itself. */
  keyOf(token: string): { readonly publicKey: KeyObject } | { readonly fault: TokenFault } {
    const header = inspectToken(token);
    if ('fault' in header) return header;
    return this.keys.verificationKey(header.kid) ?? { fault: 'token_invalid' };
  }

  /** Parses the token after its signature has been checked. Undefined if this service does not mint such a payload. */
  readPayload(token: string, payload: unknown): VerifiedToken | undefined {
    const header = inspectToken(token);
    return 'kid' in header ? readClaims(payload, header.kid, this.lifetime.longest) : undefined;
  }

  /**
   * Returns the reason why the token is refused now; undefined if it is accepted. Needs no I/O while the change feed is fresh. Otherwise it
   * waits for the database, and throws 503 if that fails. `toleranceSeconds`: how long an expired token is still accepted.
   */
  async refusalOf(token: VerifiedToken, toleranceSeconds = 0): Promise<TokenRefusal | undefined> {
    if (!this.feed.isFresh()) await this.feed.untilFresh();
    const key = this.keys.verificationKey(token.kid);
    if (key === undefined) return 'token_invalid';
    // We signed it, so its client must refresh. A client that is told `token_invalid` logs its user out.
    if (key.distrusted || this.revocations.isRevoked(token)) return 'token_revoked';
    return token.claims.exp + toleranceSeconds <= this.clock.now() / 1000 ? 'token_expired' : undefined;
  }

  private isForUs({ iss, aud }: AccessClaims): boolean {
    return iss === this.issuer && aud === this.config.jwtAudience;
  }
}

/**
 * Decodes base64url; undefined for text that is not canonical. It applies the same rule as `isCanonical`, and is faster, because the bytes
 * are needed anyway.
 */
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
