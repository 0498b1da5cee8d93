import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Origin } from '../../audit/audit-context.js';
import { RefusalCounter } from '../../audit/refusal-counter.js';
import { unavailable } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { ClientRateLimitService } from '../../limits/client-rate-limit.service.js';
import { RateLimitService } from '../../limits/limits.service.js';
import { RefreshTokenCodec } from '../../tokens/families/refresh-token.codec.js';
import type { PresentedToken } from '../../tokens/families/refresh-token.codec.js';
import { RefreshTokenService } from '../../tokens/families/refresh-token.service.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import { RotationStore } from '../../tokens/families/rotation.store.js';
import type { FamilyToken, LiveFamily, TokenFamily } from '../../tokens/families/token-family.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import { refuseAuth } from '../auth.errors.js';
import type { AuthenticatedRequest } from '../principal.js';
import { originOf } from '../http/request-origin.js';
import type { FamilyOwners } from './family-owners.js';
import { Presentations } from './presentations.js';
import type { Presentation } from './presentations.js';
import { TokenEligibilityService } from './token-eligibility.service.js';

/** How often a refresh is tried. Each lost race means that another presentation rotated the family, so a few attempts are always enough. */
const ATTEMPTS = 6;

/** How often one successor may be repeated in a window: enough for two tabs and lost responses, not a supply of tokens. */
const MAX_REPEATS = 128;

/** The result of presenting a refresh token. Refusals are values, so that a revocation that comes with one is committed. */
export type Rotation =
  | ({ readonly outcome: 'rotated' | 'repeated' } & FamilyToken)
  | {
      readonly outcome: 'rejected';
      readonly reason: 'refresh_token_invalid' | 'refresh_token_expired' | 'refresh_token_revoked';
    }
  | { readonly outcome: 'reused'; readonly sid: string };

const INVALID: Rotation = { outcome: 'rejected', reason: 'refresh_token_invalid' };
const EXPIRED: Rotation = { outcome: 'rejected', reason: 'refresh_token_expired' };
const REVOKED: Rotation = { outcome: 'rejected', reason: 'refresh_token_revoked' };

/** Refreshes tokens (RFC 6749, section 6) with rotation and reuse detection (RFC 9700, section 4.14). */
@Injectable()
export class RefreshService {
  private readonly presentations = new Presentations();
  /** The results of presented refresh tokens, since this node started. */
  readonly outcomes: Record<Rotation['outcome'], number> = {
    rotated: 0,
    repeated: 0,
    rejected: 0,
    reused: 0,
  };
  private owners: FamilyOwners | undefined;

  constructor(
    private readonly tokens: RefreshTokenService,
    private readonly codec: RefreshTokenCodec,
    private readonly rotations: RotationStore,
    private readonly revocations: RevocationService,
    private readonly limiter: RateLimitService,
    private readonly clients: ClientRateLimitService,
    private readonly refusals: RefusalCounter,
    @Inject(CONFIG) private readonly config: Config,
    private readonly eligibility: TokenEligibilityService,
  ) {}

  /** Adds a check of a family's owner before each refresh. The composition module calls it before the service starts. */
  use(owners: FamilyOwners): void {
    this.owners = owners;
  }

  /**
   * Returns the next token of the family, or throws 401, 403 `jwt_not_enabled`, 429 or 503. Refused calls count by address and accepted
   * calls by family, so that many users behind one address do not lock each other out.
   */
  async refresh(token: string | undefined, request: FastifyRequest): Promise<FamilyToken> {
    const origin = originOf(request);
    const rotation = await this.present(token ?? '', origin);
    if (rotation.outcome === 'rotated' || rotation.outcome === 'repeated') {
      const { userId, role, sid } = rotation.family;
      // The report reads this; the route does not.
      (request as AuthenticatedRequest).user = { userId, role, sid, via: 'bearer' };
      return rotation;
    }
    const code = rotation.outcome === 'rejected' ? rotation.reason : 'refresh_token_reused';
    // A reuse has its own audit event.
    if (code !== 'refresh_token_reused') this.refusals.count(code, origin.ip);
    // May throw 429 instead of the 401. The revocation that came with a reuse is already committed.
    await this.clients.enforce('refresh', request);
    throw refuseToken(code);
  }

  /** Presents a refresh token. Of many simultaneous presentations one rotates the family; the others get the same successor. */
  async present(token: string, origin: Origin): Promise<Rotation> {
    const rotation = await this.judgeToken(token, origin);
    this.outcomes[rotation.outcome] += 1;
    return rotation;
  }

  private async judgeToken(token: string, origin: Origin): Promise<Rotation> {
    const presented = this.codec.parse(token);
    if (presented === undefined) return INVALID;
    const secret = this.tokens.secrets.get(presented.sid);
    if (secret !== undefined && !this.codec.isGenuine(presented, secret)) return INVALID;
    const presentation = this.presentations.enter(presented.sid, token);
    try {
      return await this.decide(presented, secret, presentation, origin);
    } finally {
      this.presentations.leave(presented.sid, token, presentation);
    }
  }

  /**
   * Decides by generation. The current token rotates the family. The previous one gets the same successor again within the windows of
   * {@link judge}. Any other earlier token is a reuse and revokes the family. A token that is not genuine revokes nothing.
   */
  private async decide(
    presented: PresentedToken,
    knownSecret: Buffer | undefined,
    presentation: Presentation,
    origin: Origin,
  ): Promise<Rotation> {
    const { sid, generation } = presented;
    const oneStatement = !this.eligibility.restrictsExistingFamilies();
    let secret = knownSecret;
    if (secret !== undefined) await this.owners?.confirmOwner(sid);
    let confirmed = secret !== undefined;
    let counted = false;
    let admitted = false;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // The usual refresh: an unlinked family whose secret this node knows needs this one statement and nothing else.
      if (oneStatement && secret !== undefined) {
        const isFirst = presentation.statement === undefined;
        presentation.statement ??= this.rotateAndCount(presented, origin).finally(
          () => (presentation.statement = undefined),
        );
        const rotated = await presentation.statement;
        if (isFirst && rotated !== undefined) return this.rotated(rotated, secret);
        counted ||= rotated !== undefined;
      }

      // The statement had nothing to do or was not sent: look the family up and decide by generation.
      const family = await this.tokens.find(presented);
      if (family === undefined) return INVALID;
      if (family.revoked) return this.refuseRevoked(family, generation, origin);
      if (family.expired) return EXPIRED;
      const verdict = judge(family, generation, this.config);
      if (verdict === 'unknown') return INVALID;
      if (verdict === 'reused') return this.revokeReused(family, origin);
      if (!confirmed && this.owners !== undefined) {
        await this.owners.confirmOwner(sid);
        confirmed = true;
        continue;
      }
      if (verdict === 'rotate' && oneStatement && family.unlinked) {
        secret = family.secret;
        continue;
      }

      if (!admitted) {
        if (!family.unlinked && !(await this.revocations.mayContinue(family, origin))) return REVOKED;
        await this.requireEligible(family);
        if (!counted) await this.count(verdict, family, presentation);
        admitted = true;
      }
      if (verdict === 'repeat') return { outcome: 'repeated', family, token: this.tokens.tokenOf(family) };
      const rotated = await this.rotations.rotate(presented, this.successor, origin);
      if (rotated !== undefined) return this.rotated(rotated, family.secret);
    }
    throw unavailable(new Error(`a refresh of family ${sid} lost every race`));
  }

  /** Counts the call and rotates the family, or does neither. Undefined if this is not the current token of a live, unlinked family. */
  private async rotateAndCount(presented: PresentedToken, origin: Origin): Promise<LiveFamily | undefined> {
    const slot = this.limiter.open('refresh_family', presented.sid);
    return slot.settle(await this.rotations.rotateCounted(presented, this.successor, slot.call, origin));
  }

  private async count(
    verdict: 'rotate' | 'repeat',
    { sid, generation }: TokenFamily,
    presentation: Presentation,
  ): Promise<void> {
    if (verdict === 'rotate') {
      await (presentation.counted ??= this.limiter.enforce('refresh_family', sid));
    } else {
      const quota = { limit: MAX_REPEATS, windowSeconds: this.config.authRateWindow };
      await this.limiter.enforce('refresh_repeat', `${sid} ${generation}`, quota);
    }
  }

  private async requireEligible({ userId, role }: TokenFamily): Promise<void> {
    if (!(await this.eligibility.mayContinue({ id: userId, role }))) throw refuseAuth('jwt_not_enabled');
  }

  /** The inputs of the successor. */
  private get successor() {
    return { macKey: this.codec.currentKey, expiry: this.config.refreshTokenExpiry };
  }

  private rotated(family: LiveFamily, secret: Buffer): Rotation {
    const token = this.codec.mint({ sid: family.sid, secret }, family.generation, this.codec.currentKey)!;
    return { outcome: 'rotated', family, token };
  }

  private async revokeReused({ sid }: TokenFamily, origin: Origin): Promise<Rotation> {
    const revoked = await this.revocations.revokeFamilies([sid], 'reuse', 'refresh_reused', origin);
    return revoked > 0 ? { outcome: 'reused', sid } : REVOKED;
  }

  /** A spent token of a downgraded family counts as reused, too: then the family and everything linked to it is revoked. */
  private async refuseRevoked(family: TokenFamily, generation: number, origin: Origin): Promise<Rotation> {
    const reused = await this.revocations.revokeIfReused(family, generation, origin);
    return reused ? { outcome: 'reused', sid: family.sid } : REVOKED;
  }
}

export type Verdict = 'rotate' | 'repeat' | 'reused' | 'unknown';

/** How long a spent token gets its successor again, in seconds. */
export type RepeatWindows = Pick<Config, 'refreshReuseGrace' | 'refreshLostResponseWindow'>;

/** Decides about a genuine token of a live family. The order is by generation alone; clocks only limit the two windows. */
export function judge(family: TokenFamily, generation: number, windows: RepeatWindows): Verdict {
  if (generation > family.generation) return 'unknown';
  if (generation === family.generation) return 'rotate';
  if (generation < family.generation - 1) return 'reused';
  const successorSeen = family.confirmedGeneration >= family.generation;
  return family.age < repeatSeconds(successorSeen, windows) ? 'repeat' : 'reused';
}

/** Returns for how many seconds a spent token gets its successor again. */
export function repeatSeconds(successorSeen: boolean, windows: RepeatWindows): number {
  const { refreshReuseGrace: grace, refreshLostResponseWindow: lostResponse } = windows;
  return successorSeen ? grace : Math.max(grace, lostResponse);
}
