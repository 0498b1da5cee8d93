import { Inject, Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-jwt';
import type { StrategyOptionsWithRequest } from 'passport-jwt';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { AccessTokenVerifierService } from '../../tokens/access/access-token-verifier.service.js';
import { ISSUER } from '../../tokens/access/issuer.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import { bearerIn } from '../http/presented-credentials.js';

const tokenIn = ({ headers }: FastifyRequest) => bearerIn(headers.authorization) ?? '';

/** Checks signature, issuer and audience of an access token. The verifier does the rest, see {@link AccessTokenVerifierService}. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    private readonly verifier: AccessTokenVerifierService,
    @Inject(ISSUER) issuer: string,
    @Inject(CONFIG) { jwtAudience: audience }: Config,
  ) {
    super({
      jwtFromRequest: tokenIn,
      secretOrKeyProvider: (_: unknown, token: string, done: (fault: unknown, key?: unknown) => void) => {
        const key = verifier.keyOf(token);
        return 'fault' in key ? done(refuseToken(key.fault)) : done(null, key.publicKey);
      },
      algorithms: ['RS256'],
      issuer,
      audience,
      ignoreExpiration: true,
      passReqToCallback: true,
      // Its types know Express requests and textual keys only.
    } as unknown as StrategyOptionsWithRequest);
  }

  validate(request: FastifyRequest, payload: unknown): VerifiedToken {
    const verified = this.verifier.readPayload(tokenIn(request), payload);
    if (verified === undefined) throw refuseToken('token_invalid');
    return verified;
  }
}
