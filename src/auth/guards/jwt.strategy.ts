import { Inject, Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-jwt';
import type { SecretOrKeyProvider, StrategyOptionsWithRequest } from 'passport-jwt';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { inspectToken, readClaims } from '../../tokens/access/access-token.js';
import { ISSUER } from '../../tokens/access/issuer.js';
import { KeyRingService } from '../../tokens/keys/key-ring.service.js';
import { TokenLifetimeService } from '../../tokens/access/token-lifetime.service.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import { bearerIn } from '../http/presented-credentials.js';
import { knownToken } from './known-token.js';
import type { KnownToken } from './known-token.js';

interface NamedKey {
  readonly kid: string;
  readonly distrusted: boolean;
}

/**
 * Proves an access token that this node sees for the first time: its form, its header and then its signature by a key of
 * the ring, its issuer and audience, and that it has exactly the claims that we mint. Expiry and revocation are asked
 * of every request afterwards, see JwtAuthGuard.
 */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  /** The key that the header of a request's token names, once it was found. */
  private readonly named: WeakMap<object, NamedKey>;

  constructor(
    keys: KeyRingService,
    private readonly lifetime: TokenLifetimeService,
    @Inject(ISSUER) issuer: string,
    @Inject(CONFIG) config: Config,
  ) {
    const named = new WeakMap<object, NamedKey>();
    super({
      jwtFromRequest: (request: FastifyRequest) => bearerIn(request.headers.authorization) ?? null,
      secretOrKeyProvider: keyOf(keys, named) as unknown as SecretOrKeyProvider,
      algorithms: ['RS256'],
      issuer,
      audience: config.jwtAudience,
      ignoreExpiration: true,
      passReqToCallback: true,
    } as unknown as StrategyOptionsWithRequest);
    this.named = named;
  }

  validate(request: FastifyRequest, payload: unknown): KnownToken {
    const key = this.named.get(request);
    const token = key && readClaims(payload, key.kid, this.lifetime.longest);
    if (token === undefined) throw refuseToken('token_invalid');
    // It is ours, so its client shall refresh: a refusal as invalid would log it out.
    if (key?.distrusted === true) throw refuseToken('token_revoked');
    return knownToken(token);
  }
}

/** passport-jwt passes the key on to jsonwebtoken, which takes a KeyObject although the type says text. */
function keyOf(keys: KeyRingService, named: WeakMap<object, NamedKey>) {
  return (request: object, raw: string, done: (fault: unknown, key?: unknown) => void): void => {
    const header = inspectToken(raw);
    if ('fault' in header) return done(refuseToken(header.fault));
    const key = keys.verificationKey(header.kid);
    if (key === undefined) return done(refuseToken('token_invalid'));
    named.set(request, { kid: header.kid, distrusted: key.distrusted });
    done(null, key.publicKey);
  };
}
