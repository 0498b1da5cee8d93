import { Inject, Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { BackgroundLoops } from '../../common/background-loops.js';
import { Problem } from '../../common/problem.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { ConfirmationService } from '../../tokens/families/confirmation.service.js';
import { KeyRingService } from '../../tokens/keys/key-ring.service.js';
import { MintedTokens } from '../../tokens/access/minted-tokens.service.js';
import { ChangeFeed } from '../../tokens/feed/change-feed.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import { RevocationList } from '../../tokens/feed/revocation-list.js';
import { TokenCache } from '../../tokens/access/token-cache.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import type { AuthenticatedRequest } from '../principal.js';
import { bearerIn } from '../http/presented-credentials.js';
import { knownToken } from './known-token.js';
import type { KnownToken } from './known-token.js';
import { isPublic } from '../auth.decorators.js';

/** Tokens remembered; at about 1.3 kB each. A node with more in use verifies signatures again and again. */
const CACHE_CAPACITY = 50_000;

/** How often the expired ones make room, in milliseconds. */
const PRUNE_EVERY = 60_000;

/**
 * Closes every route that is not @Public() to callers without a valid access token.
 *
 * A token is proved once: by a short way if it is written as this service writes them, and else, or if that finds a fault, by Passport,
 * which says what is wrong with it. What may change while it lives, expiry and revocation, is asked of each request
 * without I/O as long as the node's knowledge is fresh, and else after asking the database (503 if that is impossible).
 */
@Injectable()
export class JwtAuthGuard extends AuthGuard('jwt') {
  private readonly known = new TokenCache<KnownToken>(CACHE_CAPACITY);
  private readonly toleranceSeconds: number;

  constructor(
    private readonly feed: ChangeFeed,
    private readonly revocations: RevocationList,
    private readonly clock: DatabaseClock,
    private readonly confirmations: ConfirmationService,
    private readonly keys: KeyRingService,
    private readonly minted: MintedTokens,
    @Inject(CONFIG) config: Config,
    loops: BackgroundLoops,
  ) {
    super();
    this.toleranceSeconds = config.clockTolerance;
    keys.onChange((keeps) => this.known.retainKeys(keeps));
    const run = () => this.known.prune(this.clock.now() / 1000 - this.toleranceSeconds);
    const failure = 'expired tokens stay in the cache for now';
    loops.create({ name: 'token-cache', everyMs: PRUNE_EVERY, failure, run }).start();
  }

  override canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (isPublic(context)) return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const token = bearerIn(request.headers.authorization);
    if (token === undefined) throw refuseToken('token_missing');
    const known = this.known.get(token);
    if (known === undefined) return this.prove(context, token);
    if (!this.feed.isFresh()) return this.feed.untilFresh().then(() => this.admit(request, known));
    return this.admit(request, known);
  }

  /** What Passport found, or why it found nothing: passport-jwt reports jsonwebtoken's and the strategy's errors here. */
  override handleRequest<User>(error: unknown, user: User | false, info: unknown): User {
    if (error instanceof Error) throw error;
    if (user !== false) return user;
    throw info instanceof Problem ? info : refuseToken('token_invalid', info);
  }

  private async prove(context: ExecutionContext, token: string): Promise<boolean> {
    if (token === '') throw refuseToken('token_malformed');
    const minted = this.minted.read(token);
    const proved = minted === undefined ? await this.byPassport(context) : knownToken(minted);
    if (!this.feed.isFresh()) await this.feed.untilFresh();
    this.admit(context.switchToHttp().getRequest<AuthenticatedRequest>(), proved);
    // The key may have been distrusted since: what is remembered now would outlive the emptying of the cache.
    const key = this.keys.verificationKey(proved.kid);
    if (key?.distrusted !== false) throw refuseToken(key === undefined ? 'token_invalid' : 'token_revoked');
    this.known.set(token, proved);
    this.confirmations.note(proved.claims.sid, proved.generation);
    return true;
  }

  private async byPassport(context: ExecutionContext): Promise<KnownToken> {
    await super.canActivate(context);
    return context.switchToHttp().getRequest<FastifyRequest & { user: KnownToken }>().user;
  }

  private admit(request: AuthenticatedRequest, token: KnownToken): true {
    if (this.revocations.isRevoked(token)) throw refuseToken('token_revoked');
    if (token.claims.exp + this.toleranceSeconds <= this.clock.now() / 1000)
      throw refuseToken('token_expired');
    request.user = token.principal;
    return true;
  }
}
