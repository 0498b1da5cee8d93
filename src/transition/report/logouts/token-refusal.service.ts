import { setImmediate } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { inspectToken } from '@tandem-auth/verifier/token';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { AccessTokenVerifierService } from '../../../tokens/access/access-token-verifier.service.js';
import { ISSUER } from '../../../tokens/access/issuer.js';
import { KeyRingService } from '../../../tokens/keys/key-ring.service.js';
import { RefreshTokenCodec } from '../../../tokens/families/refresh-token.codec.js';
import type { PresentedToken } from '../../../tokens/families/refresh-token.codec.js';
import { KnownKeys } from './known-keys.js';
import { LogoutEvidenceStore } from './logout-evidence.store.js';
import type { UnexpectedLogout, RefusedCredential } from './refused-credential.js';
import { classifyAccessToken, classifyRefreshToken } from './token-refusal-cause.js';
import type { AccessTokenRefusal, RefreshTokenRefusal } from './token-refusal-cause.js';

type ParsedRefusal =
  | { readonly refusal: RefusedCredential; readonly access: VerifiedToken }
  | { readonly refusal: RefusedCredential; readonly refresh: PresentedToken };

/** Finds out from the database whether a refused token was genuine, and whether its refusal was an unexpected logout. */
@Injectable()
export class TokenRefusalService {
  constructor(
    private readonly evidence: LogoutEvidenceStore,
    private readonly known: KnownKeys,
    private readonly ring: KeyRingService,
    private readonly verifier: AccessTokenVerifierService,
    private readonly codec: RefreshTokenCodec,
    @Inject(ISSUER) private readonly issuer: string,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Returns, for each refused credential, the unexpected logout, or undefined for a correct refusal. Runs two or three queries for all. */
  async classify(refusals: readonly RefusedCredential[]): Promise<(UnexpectedLogout | undefined)[]> {
    const parsed = await this.parseAll(refusals);
    const sids = [...new Set(parsed.flatMap((one) => (one === undefined ? [] : [sidOf(one)])))];
    if (sids.length === 0) return refusals.map(() => undefined);
    const { refreshTokenExpiry, refreshFamilyExpiry } = this.config;
    const families = await this.evidence.families(sids);
    const unknown = sids.filter((sid) => !families.has(sid));
    const missing = await this.evidence.missing(unknown, refreshTokenExpiry, refreshFamilyExpiry);
    const distrusted = await this.evidence.distrusted(
      parsed.flatMap((one) => (one !== undefined && 'access' in one ? [one.access.kid] : [])),
    );
    return parsed.map((one) => {
      if (one === undefined) return undefined;
      const sid = sidOf(one);
      const found = { family: families.get(sid), missing: missing.get(sid) };
      return 'access' in one
        ? this.classifyAccess(one.refusal, one.access, found, distrusted.has(one.access.kid))
        : this.classifyRefresh(one.refusal, one.refresh, found);
    });
  }

  /** Returns, for each refused credential, whether it is a genuine token of a live family. Runs one query for all. */
  async areGenuine(refusals: readonly RefusedCredential[]): Promise<boolean[]> {
    const parsed = await this.parseAll(refusals);
    const sids = [...new Set(parsed.flatMap((one) => (one === undefined ? [] : [sidOf(one)])))];
    if (sids.length === 0) return refusals.map(() => false);
    const families = await this.evidence.families(sids);
    return parsed.map((one) => {
      const family = one && families.get(sidOf(one));
      if (family === undefined || family.revoked || family.disabled) return false;
      if ('refresh' in one!) return !family.expired && this.codec.isGenuine(one.refresh, family.secret);
      const { claims, kid, epoch } = one!.access;
      const expired = claims.exp + this.config.clockTolerance <= one!.refusal.at / 1000;
      const trusted = this.ring.publicKey(kid) !== undefined;
      return !expired && trusted && claims.sub === family.userId && epoch >= family.epoch;
    });
  }

  /** Whether the text has the form of our tokens. Does not verify the signature. */
  isCandidate({ kind, credential }: Pick<RefusedCredential, 'kind' | 'credential'>): boolean {
    if (kind === 'refresh') return this.codec.parse(credential) !== undefined;
    const header = inspectToken(credential);
    return 'kid' in header && this.known.keyOf(header.kid) !== undefined;
  }

  private async parseAll(refusals: readonly RefusedCredential[]): Promise<(ParsedRefusal | undefined)[]> {
    const parsed: (ParsedRefusal | undefined)[] = [];
    for (const refusal of refusals) parsed.push(await this.parse(refusal));
    return parsed;
  }

  /** Parses the token, and verifies the signature of an access token. Undefined if it is not ours. */
  private async parse(refusal: RefusedCredential): Promise<ParsedRefusal | undefined> {
    const { kind, credential } = refusal;
    if (kind === 'refresh') {
      const refresh = this.codec.parse(credential);
      return refresh && { refusal, refresh };
    }
    // Verifying a signature blocks the event loop: let requests through in between.
    await setImmediate();
    const access = await this.verifier.verifyBy(credential, (kid) => this.known.keyOf(kid));
    return access && { refusal, access };
  }

  private classifyAccess(
    { code, at }: RefusedCredential,
    token: VerifiedToken,
    found: Pick<AccessTokenRefusal, 'family' | 'missing'>,
    keyDistrusted: boolean,
  ): UnexpectedLogout | undefined {
    return classifyAccessToken({
      ...found,
      token,
      code,
      at: at / 1000,
      keyDistrusted,
      keyInRing: this.ring.publicKey(token.kid) !== undefined,
      issuer: this.issuer,
      audience: this.config.jwtAudience,
      tolerance: this.config.clockTolerance,
    });
  }

  private classifyRefresh(
    { code, draining }: RefusedCredential,
    token: PresentedToken,
    found: Pick<RefreshTokenRefusal, 'family' | 'missing'>,
  ): UnexpectedLogout | undefined {
    const { family } = found;
    return classifyRefreshToken({
      ...found,
      sid: token.sid,
      generation: token.generation,
      code,
      genuine: family !== undefined && this.codec.isGenuine(token, family.secret),
      secretKnown: family !== undefined && this.codec.mint(family, 0, family.macKey) !== undefined,
      draining,
      windows: {
        grace: this.config.refreshReuseGrace,
        lostResponse: this.config.refreshLostResponseWindow,
      },
    });
  }
}

function sidOf(parsed: ParsedRefusal): string {
  return 'access' in parsed ? parsed.access.claims.sid : parsed.refresh.sid;
}
