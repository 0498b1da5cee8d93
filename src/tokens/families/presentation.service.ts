import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { unavailable } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import type { CountedCall, CountedResult } from '../../limits/counted-call.js';
import type { LiveFamily, TokenFamily, FamilyToken } from './token-family.js';
import { RevocationService } from './revocation.service.js';
import { RefreshTokenCodec } from './refresh-token.codec.js';
import type { PresentedToken } from './refresh-token.codec.js';
import { RefreshTokenService } from './refresh-token.service.js';
import { RotationStore } from './rotation.store.js';
import type { Successor } from './rotation.store.js';

export type RefreshRefusal = 'refresh_token_invalid' | 'refresh_token_expired' | 'refresh_token_revoked';

/** What came of presenting a refresh token. Refusals are values: the revocation that goes with one must commit. */
export type Rotation =
  | ({ readonly outcome: 'rotated' | 'repeated' } & FamilyToken)
  | { readonly outcome: 'rejected'; readonly reason: RefreshRefusal }
  | { readonly outcome: 'reused'; readonly sid: string };

/** What a genuine token of a live login has to pass before anything changes. */
export interface Admission {
  /** Throws to refuse. Asked once. */
  admit(login: TokenFamily, verdict: 'rotate' | 'repeat'): Promise<void> | void;
  /**
   * Counts the call in the statement that goes on with a login, in place of asking `admit`. Undefined if that had nothing to do;
   * throws to refuse. Absent where every login has to be asked for.
   */
  readonly countWithin?:
    | ((
        sid: string,
        statement: (call: CountedCall) => Promise<CountedResult<LiveFamily> | undefined>,
      ) => Promise<LiveFamily | undefined>)
    | undefined;
}

/** Simultaneous presentations of one login's tokens that a node works on; the next ones are told to come back. */
const MAX_PRESENTATIONS = 64;

/** Each lost race means that somebody else went on, so a few looks always settle it. */
const ATTEMPTS = 5;

const INVALID: Rotation = { outcome: 'rejected', reason: 'refresh_token_invalid' };
const EXPIRED: Rotation = { outcome: 'rejected', reason: 'refresh_token_expired' };
const REVOKED: Rotation = { outcome: 'rejected', reason: 'refresh_token_revoked' };

/** Spends refresh tokens (RFC 6749, section 6, with rotation as RFC 9700, section 4.14, wants it). */
@Injectable()
export class RefreshPresentation {
  private readonly running = new Map<string, number>();
  private readonly next: Successor;

  constructor(
    private readonly tokens: RefreshTokenService,
    private readonly codec: RefreshTokenCodec,
    private readonly rotations: RotationStore,
    private readonly ender: RevocationService,
    @Inject(CONFIG) config: Config,
  ) {
    this.next = { macKey: codec.currentKey, expiry: config.refreshTokenExpiry };
  }

  /** What comes of the token. One statement if it is the current one of a login that stands alone and whose secret is known here. */
  async present(token: string, admission: Admission, origin: Origin): Promise<Rotation> {
    const presented = this.codec.parse(token);
    if (presented === undefined) return INVALID;
    const { sid } = presented;
    const running = this.running.get(sid) ?? 0;
    if (running >= MAX_PRESENTATIONS) throw unavailable(new Error('too many presentations of one login'));
    this.running.set(sid, running + 1);
    try {
      const secret = this.tokens.secrets.get(sid);
      if (secret === undefined) return await this.presentByLookup(presented, admission, origin);
      if (!this.codec.isGenuine(presented, secret)) return INVALID;
      const rotated = await this.rotateCounted(presented, secret, admission, origin);
      return rotated ?? (await this.presentByLookup(presented, admission, origin));
    } finally {
      const left = this.running.get(sid)! - 1;
      if (left === 0) this.running.delete(sid);
      else this.running.set(sid, left);
    }
  }

  /** By looking at the login first: whatever becomes of it, and however often others get ahead. */
  private async presentByLookup(
    presented: PresentedToken,
    admission: Admission,
    origin: Origin,
  ): Promise<Rotation> {
    let admitted = false;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const login = await this.tokens.find(presented);
      if (login === undefined) return INVALID;
      if (login.revoked) {
        const stolen = await this.ender.revokeIfReused(login, presented.generation, origin);
        return stolen ? { outcome: 'reused', sid: login.sid } : REVOKED;
      }
      if (login.expired) return EXPIRED;
      const verdict = this.tokens.judge(login, presented.generation);
      if (verdict === 'unknown') return INVALID;
      if (verdict === 'reused') return this.revokeReused(login, origin);
      if (verdict === 'rotate' && login.unlinked && admission.countWithin !== undefined) {
        const rotated = await this.rotateCounted(presented, login.secret, admission, origin);
        if (rotated !== undefined) return rotated;
        continue;
      }
      if (!admitted) {
        if (!login.unlinked && !(await this.ender.mayContinue(login, origin))) return REVOKED;
        await admission.admit(login, verdict);
      }
      admitted = true;
      if (verdict === 'repeat')
        return { outcome: 'repeated', family: login, token: this.tokens.tokenOf(login) };
      const rotated = await this.rotations.rotate(presented, this.next, origin);
      if (rotated !== undefined) return this.rotated(rotated, login.secret);
    }
    throw unavailable(new Error('a refresh lost every race'));
  }

  /** Without looking first. Undefined, and nothing has changed, if there is more to it. */
  private async rotateCounted(
    presented: PresentedToken,
    secret: Buffer,
    { countWithin }: Admission,
    origin: Origin,
  ): Promise<Rotation | undefined> {
    const login = await countWithin?.(presented.sid, (call) =>
      this.rotations.rotateCounted(presented, this.next, call, origin),
    );
    return login && this.rotated(login, secret);
  }

  private rotated(login: LiveFamily, secret: Buffer): Rotation {
    const token = this.codec.mint({ sid: login.sid, secret }, login.generation, this.codec.currentKey)!;
    return { outcome: 'rotated', family: login, token };
  }

  private async revokeReused(login: TokenFamily, origin: Origin): Promise<Rotation> {
    const ended = await this.ender.revokeFamilies([login.sid], 'reuse', 'refresh_reused', origin);
    return ended > 0 ? { outcome: 'reused', sid: login.sid } : REVOKED;
  }
}
