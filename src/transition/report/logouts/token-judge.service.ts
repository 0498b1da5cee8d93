import { setImmediate } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { inspectToken } from '../../../tokens/access/access-token.js';
import type { VerifiedToken } from '../../../tokens/access/access-token.js';
import { AccessTokenVerifierService } from '../../../tokens/access/access-token-verifier.service.js';
import { ISSUER } from '../../../tokens/access/issuer.js';
import { KeyRingService } from '../../../tokens/keys/key-ring.service.js';
import { RefreshTokenCodec } from '../../../tokens/families/refresh-token.codec.js';
import type { PresentedToken } from '../../../tokens/families/refresh-token.codec.js';
import { judgeAccessToken } from './access-token-judge.js';
import type { Judgement } from './causes.js';
import { KnownKeys } from './known-keys.js';
import { LoginEvidenceStore } from './login-evidence.store.js';
import { judgeRefreshToken } from './refresh-token-judge.js';
import type { Suspect } from './suspect.js';

type Named =
  | { readonly suspect: Suspect; readonly access: VerifiedToken }
  | { readonly suspect: Suspect; readonly refresh: PresentedToken };

/** Looks at refused tokens again, on the evidence of the database. */
@Injectable()
export class TokenJudge {
  constructor(
    private readonly evidence: LoginEvidenceStore,
    private readonly known: KnownKeys,
    private readonly ring: KeyRingService,
    private readonly verifier: AccessTokenVerifierService,
    private readonly codec: RefreshTokenCodec,
    @Inject(ISSUER) private readonly issuer: string,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** One judgement for each of the suspects, in two or three statements for all of them. */
  async judge(suspects: readonly Suspect[]): Promise<Judgement[]> {
    const named = await this.nameAll(suspects);
    const sids = [...new Set(named.flatMap((one) => (one === undefined ? [] : [sidOf(one)])))];
    if (sids.length === 0) return suspects.map(() => undefined);
    const { refreshTokenExpiry, refreshFamilyExpiry } = this.config;
    const logins = await this.evidence.logins(sids);
    const missing = sids.filter((sid) => !logins.has(sid));
    const vanished = await this.evidence.vanished(missing, refreshTokenExpiry, refreshFamilyExpiry);
    const distrusted = await this.evidence.distrusted(
      named.flatMap((one) => (one !== undefined && 'access' in one ? [one.access.kid] : [])),
    );
    return named.map((one) => {
      if (one === undefined) return undefined;
      const sid = sidOf(one);
      const found = { login: logins.get(sid), vanished: vanished.get(sid) };
      return 'access' in one
        ? this.judgeAccess(one.suspect, one.access, found, distrusted.has(one.access.kid))
        : this.judgeRefresh(one.suspect, one.refresh, found);
    });
  }

  /** Whether each of them proves a principal: a token of ours, of a login that lives. In one statement for all of them. */
  async verify(suspects: readonly Suspect[]): Promise<boolean[]> {
    const named = await this.nameAll(suspects);
    const sids = [...new Set(named.flatMap((one) => (one === undefined ? [] : [sidOf(one)])))];
    if (sids.length === 0) return suspects.map(() => false);
    const logins = await this.evidence.logins(sids);
    return named.map((one) => {
      const login = one && logins.get(sidOf(one));
      if (login === undefined || login.ended || login.disabled) return false;
      if ('refresh' in one!) return !login.expired && this.codec.isGenuine(one.refresh, login.secret);
      const { claims, kid, epoch } = one!.access;
      const expired = claims.exp + this.config.clockTolerance <= one!.suspect.at / 1000;
      const trusted = this.ring.publicKey(kid) !== undefined;
      return !expired && trusted && claims.sub === login.userId && epoch >= login.epoch;
    });
  }

  /** Whether it has the form of a token of ours. Cheap, and says nothing of its signature. */
  isCandidate({ kind, credential }: Pick<Suspect, 'kind' | 'credential'>): boolean {
    if (kind === 'refresh') return this.codec.parse(credential) !== undefined;
    const header = inspectToken(credential);
    return 'kid' in header && this.known.keyOf(header.kid) !== undefined;
  }

  private async nameAll(suspects: readonly Suspect[]): Promise<(Named | undefined)[]> {
    const named: (Named | undefined)[] = [];
    for (const suspect of suspects) named.push(await this.name(suspect));
    return named;
  }

  /** What the token says of itself, if it could be ours: for an access token that its signature is. */
  private async name(suspect: Suspect): Promise<Named | undefined> {
    const { kind, credential } = suspect;
    if (kind === 'refresh') {
      const refresh = this.codec.parse(credential);
      return refresh && { suspect, refresh };
    }
    // Verifying a signature blocks the event loop: let requests through in between.
    await setImmediate();
    const access = await this.verifier.verifyBy(credential, (kid) => this.known.keyOf(kid));
    return access && { suspect, access };
  }

  private judgeAccess(
    { code, at }: Suspect,
    token: VerifiedToken,
    found: Pick<Parameters<typeof judgeAccessToken>[0], 'login' | 'vanished'>,
    keyDistrusted: boolean,
  ): Judgement {
    return judgeAccessToken({
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

  private judgeRefresh(
    { code, draining }: Suspect,
    token: PresentedToken,
    found: Pick<Parameters<typeof judgeRefreshToken>[0], 'login' | 'vanished'>,
  ): Judgement {
    const { login } = found;
    return judgeRefreshToken({
      ...found,
      sid: token.sid,
      generation: token.generation,
      code,
      genuine: login !== undefined && this.codec.isGenuine(token, login.secret),
      secretKnown: login !== undefined && this.codec.mint(login, 0, login.macKey) !== undefined,
      draining,
      windows: {
        grace: this.config.refreshReuseGrace,
        lostResponse: this.config.refreshLostResponseWindow,
      },
    });
  }
}

function sidOf(named: Named): string {
  return 'access' in named ? named.access.claims.sid : named.refresh.sid;
}
