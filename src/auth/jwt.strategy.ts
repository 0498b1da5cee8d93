import { Inject, Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-jwt';
import type { SecretOrKeyProvider, StrategyOptionsWithRequest } from 'passport-jwt';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { inspectToken, readClaims } from '../tokens/access-token.js';
import { ISSUER } from '../tokens/issuer.js';
import { KeyRing } from '../tokens/key-ring.service.js';
import { refuseToken } from '../tokens/tokens.errors.js';
import { bearerIn } from './bearer.js';
import { knownToken } from './known-token.js';
import type { KnownToken } from './known-token.js';

/**
 * Proves an access token that this node sees for the first time: its form, its header and then its signature by a key of
 * the ring, its issuer and audience, and that it has exactly the claims that we mint. Expiry and revocation are asked
 * of every request afterwards, see JwtAuthGuard.
 */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  /** What the header of a request's token said, once its key was found. */
  private readonly kids: WeakMap<object, string>;

  constructor(keys: KeyRing, @Inject(ISSUER) issuer: string, @Inject(CONFIG) config: Config) {
    const kids = new WeakMap<object, string>();
    super({
      jwtFromRequest: (request: FastifyRequest) => bearerIn(request.headers.authorization) ?? null,
      secretOrKeyProvider: keyOf(keys, kids) as unknown as SecretOrKeyProvider,
      algorithms: ['RS256'],
      issuer,
      audience: config.jwtAudience,
      ignoreExpiration: true,
      passReqToCallback: true,
    } as unknown as StrategyOptionsWithRequest);
    this.kids = kids;
  }

  validate(request: FastifyRequest, payload: unknown): KnownToken {
    const kid = this.kids.get(request);
    const token = kid === undefined ? undefined : readClaims(payload, kid);
    if (token === undefined) throw refuseToken('token_invalid');
    return knownToken(token);
  }
}

/** passport-jwt passes the key on to jsonwebtoken, which takes a KeyObject although the type says text. */
function keyOf(keys: KeyRing, kids: WeakMap<object, string>) {
  return (request: object, raw: string, done: (fault: unknown, key?: unknown) => void): void => {
    const header = inspectToken(raw);
    if ('fault' in header) return done(refuseToken(header.fault));
    const key = keys.publicKey(header.kid);
    if (key === undefined) return done(refuseToken('token_invalid'));
    kids.set(request, header.kid);
    done(null, key);
  };
}
