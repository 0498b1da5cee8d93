import { randomBytes, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { unavailable } from '../common/common.errors.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { LoginEnder } from './login-ender.service.js';
import { RefreshTokenCodec } from './refresh-token.codec.js';
import type { PresentedToken } from './refresh-token.codec.js';
import type { Sql } from '../database/database.js';
import type { TokenDelivery } from './refresh-token.entity.js';
import { RefreshTokenStore } from './refresh-token.store.js';
import type { Login, NewLogin } from './refresh-token.store.js';
import { judge } from './rotation.js';
import type { Verdict } from './rotation.js';

export type RefreshRefusal = 'refresh_token_invalid' | 'refresh_token_expired' | 'refresh_token_revoked';

/** What came of presenting a refresh token. Refusals are values: the revocation that goes with one must commit. */
export type Rotation =
  | { readonly outcome: 'rotated' | 'repeated'; readonly login: Login; readonly token: string }
  | { readonly outcome: 'rejected'; readonly reason: RefreshRefusal }
  | { readonly outcome: 'reused'; readonly sid: string };

/** Asked once the token is known to be genuine and live, before anything changes. Throws to refuse. */
export type Admission = (login: Login, verdict: 'rotate' | 'repeat') => Promise<void> | void;

/** A refresh token that this service made, and its login as it is now. */
export interface ProvedToken {
  readonly login: Login;
  readonly generation: number;
}

/** How a login begins other than by a password. */
export interface Opening {
  readonly event: string;
  /** Whether it matters when the client has received the first refresh token, too. */
  readonly firstUnseen?: boolean;
  /** Seconds that it lives at most, if that is less than usual. */
  readonly life?: number;
}

/** A login that just began, with its first refresh token. */
export interface OpenedLogin {
  readonly login: Login;
  readonly token: string;
}

/** Simultaneous presentations of one login's tokens that a node works on; the next ones are told to come back. */
const MAX_PRESENTATIONS = 64;

/** Each lost race means that somebody else went on, so a few looks always settle it. */
const ATTEMPTS = 5;

@Injectable()
export class RefreshTokenService {
  private readonly presentations = new Map<string, number>();

  constructor(
    private readonly store: RefreshTokenStore,
    private readonly codec: RefreshTokenCodec,
    private readonly ender: LoginEnder,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Opens a login for a user whose credentials were good at `epoch`. Undefined if they are no more: password, role or
   * state have changed since, or the user's logins were revoked.
   */
  async open(
    user: { readonly id: string; readonly epoch: number },
    delivery: TokenDelivery,
    origin: Origin,
  ): Promise<OpenedLogin | undefined> {
    const login = await this.store.create(this.newLogin(user, delivery), 'password', origin);
    return login && { login, token: this.tokenOf(login) };
  }

  /** Opens a login in a transaction that holds the user's row, for a user with another proof than a password. */
  async openWithin(
    sql: Sql,
    user: { readonly id: string; readonly epoch: number },
    delivery: TokenDelivery,
    { event, firstUnseen, life = Infinity }: Opening,
    origin: Origin,
  ): Promise<OpenedLogin | undefined> {
    const usual = this.newLogin(user, delivery);
    const familyExpiry = Math.min(usual.familyExpiry, life);
    const login = await this.store.create({ ...usual, familyExpiry, event, firstUnseen }, event, origin, sql);
    return login && { login, token: this.tokenOf(login) };
  }

  /** The login of a genuine token, whatever its state and generation; undefined for any other string. */
  async recognise(token: string): Promise<Login | undefined> {
    return (await this.prove(token))?.login;
  }

  /** The same with the token's generation. */
  async prove(token: string): Promise<ProvedToken | undefined> {
    const presented = this.codec.parse(token);
    const login = presented && (await this.genuine(presented));
    return login && { login, generation: presented!.generation };
  }

  /** What a genuine token of that generation is worth now. */
  judge(login: Login, generation: number): Verdict {
    return judge(login, generation, {
      grace: this.config.refreshReuseGrace,
      lostResponse: this.config.refreshLostResponseWindow,
    });
  }

  /** The current refresh token of a login. */
  tokenOf(login: Login): string {
    const token = this.codec.mint(login, login.generation, login.macKey);
    // Another node has a newer JWT_SECRET than this one: the client will find it, or the operator will.
    if (token === undefined)
      throw unavailable(new Error('the login was continued with a JWT_SECRET unknown here'));
    return token;
  }

  /** Like {@link recognise}, for a token that a refresh would take as the newest of a live login. */
  async recogniseLive(token: string): Promise<Login | undefined> {
    const presented = this.codec.parse(token);
    const login = presented && (await this.genuine(presented));
    if (login === undefined || login.revoked || login.expired) return undefined;
    return login.generation === presented?.generation ? login : undefined;
  }

  /** Spends a refresh token (RFC 6749, section 6, with rotation as RFC 9700, section 4.14, wants it). */
  async present(token: string, admit: Admission, origin: Origin): Promise<Rotation> {
    const presented = this.codec.parse(token);
    if (presented === undefined) return { outcome: 'rejected', reason: 'refresh_token_invalid' };
    const running = this.presentations.get(presented.sid) ?? 0;
    if (running >= MAX_PRESENTATIONS) throw unavailable(new Error('too many presentations of one login'));
    this.presentations.set(presented.sid, running + 1);
    try {
      return await this.settle(presented, admit, origin);
    } finally {
      const left = this.presentations.get(presented.sid)! - 1;
      if (left === 0) this.presentations.delete(presented.sid);
      else this.presentations.set(presented.sid, left);
    }
  }

  private async settle(presented: PresentedToken, admit: Admission, origin: Origin): Promise<Rotation> {
    let admitted = false;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const login = await this.genuine(presented);
      if (login === undefined) return { outcome: 'rejected', reason: 'refresh_token_invalid' };
      if (login.revoked) {
        const stolen = await this.ender.endIfStolen(login, presented.generation, origin);
        return stolen
          ? { outcome: 'reused', sid: login.sid }
          : { outcome: 'rejected', reason: 'refresh_token_revoked' };
      }
      if (login.expired) return { outcome: 'rejected', reason: 'refresh_token_expired' };
      const verdict = this.judge(login, presented.generation);
      if (verdict === 'unknown') return { outcome: 'rejected', reason: 'refresh_token_invalid' };
      if (verdict === 'stolen') return this.endStolen(login, origin);
      if (!admitted) {
        if (!(await this.ender.mayGoOn(login, origin))) {
          return { outcome: 'rejected', reason: 'refresh_token_revoked' };
        }
        await admit(login, verdict);
      }
      admitted = true;
      if (verdict === 'repeat') return { outcome: 'repeated', login, token: this.tokenOf(login) };
      const rotated = await this.store.rotate(
        login.sid,
        presented.generation,
        { macKey: this.codec.currentKey, expiry: this.config.refreshTokenExpiry },
        origin,
      );
      if (rotated !== undefined) return { outcome: 'rotated', login: rotated, token: this.tokenOf(rotated) };
    }
    throw unavailable(new Error('a refresh lost every race'));
  }

  private async genuine(presented: PresentedToken): Promise<Login | undefined> {
    const login = await this.store.find(presented.sid);
    return login !== undefined && this.codec.isGenuine(presented, login.secret) ? login : undefined;
  }

  private async endStolen(login: Login, origin: Origin): Promise<Rotation> {
    const ended = await this.ender.endSids([login.sid], 'reuse', 'refresh_reused', origin);
    return ended > 0
      ? { outcome: 'reused', sid: login.sid }
      : { outcome: 'rejected', reason: 'refresh_token_revoked' };
  }

  private newLogin(user: { readonly id: string; readonly epoch: number }, delivery: TokenDelivery): NewLogin {
    return {
      sid: randomUUID(),
      userId: user.id,
      epoch: user.epoch,
      secret: randomBytes(32),
      macKey: this.codec.currentKey,
      delivery,
      expiry: this.config.refreshTokenExpiry,
      familyExpiry: this.config.refreshFamilyExpiry,
    };
  }
}
