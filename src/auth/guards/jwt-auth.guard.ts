import { Inject, Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { Problem } from '../../common/http/problem.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { AccessTokenVerifierService } from '../../tokens/access/access-token-verifier.service.js';
import { ConfirmationService } from '../../tokens/families/confirmation.service.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import { isPublic } from '../auth.decorators.js';
import { isServiceClient } from './service-client.guard.js';
import { bearerIn } from '../http/presented-credentials.js';
import type { AuthenticatedRequest } from '../principal.js';
import { KnownTokensService } from './known-tokens.service.js';
import type { KnownToken } from './known-tokens.service.js';

/**
 * Closes every route that is not @Public() to callers without a valid access token.
 *
 * The node verifies the signature of a token once. The verifier's fast path accepts the tokens that this service writes. Every other
 * token goes to Passport, which says what is wrong with it. Key trust, revocation and expiry are checked for each request.
 */
@Injectable()
export class JwtAuthGuard extends AuthGuard('jwt') {
  constructor(
    private readonly verifier: AccessTokenVerifierService,
    private readonly known: KnownTokensService,
    private readonly confirmations: ConfirmationService,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    super();
  }

  override canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    return isPublic(context) || isServiceClient(context) || this.authenticate(context);
  }

  /** passport-jwt passes the errors of jsonwebtoken and of the strategy as `info`. */
  override handleRequest<User>(error: unknown, user: User | false, info: unknown): User {
    if (error instanceof Error) throw error;
    if (user !== false) return user;
    throw info instanceof Problem ? info : refuseToken('token_invalid', info);
  }

  private async authenticate(context: ExecutionContext): Promise<true> {
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const token = bearerIn(request.headers.authorization);
    if (token === undefined) throw refuseToken('token_missing');
    if (token === '') throw refuseToken('token_malformed');
    const known = this.known.find(token);
    const verified =
      known ?? this.verifier.verifyCanonical(token) ?? (await this.verifyByPassport(context, token));
    const refusal = await this.verifier.refusalOf(verified, this.config.clockTolerance);
    if (refusal !== undefined) throw refuseToken(refusal);
    request.user = (known ?? this.remember(token, verified)).principal;
    return true;
  }

  private async verifyByPassport(context: ExecutionContext, token: string): Promise<VerifiedToken> {
    await this.verifier.learnKeyOf(token);
    await super.canActivate(context);
    const request = context.switchToHttp().getRequest<{ user?: VerifiedToken | undefined }>();
    const verified = request.user!;
    // Passport sets `user` before the token is checked for revocation. It is no principal yet.
    request.user = undefined;
    return verified;
  }

  private remember(token: string, verified: VerifiedToken): KnownToken {
    this.confirmations.note(verified.claims.sid, verified.generation);
    return this.known.remember(token, verified);
  }
}
