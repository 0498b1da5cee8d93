import { randomBytes, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { unavailable } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { FamilySecrets } from './family-secrets.js';
import type { TokenFamily, NewFamily, FamilyToken } from './token-family.js';
import { RefreshTokenCodec } from './refresh-token.codec.js';
import type { PresentedToken } from './refresh-token.codec.js';
import type { Sql } from '../../database/database.js';
import type { TokenDelivery } from './refresh-token.entity.js';
import { RefreshTokenStore } from './refresh-token.store.js';

/** A refresh token that this service made, and its family as it is now. */
export interface VerifiedRefreshToken {
  readonly family: TokenFamily;
  readonly generation: number;
}

/** How a login begins other than by a password. */
export interface FamilyOptions {
  readonly event: string;
  /** Whether it matters when the client has received the first refresh token, too. */
  readonly firstUnseen?: boolean;
  /** Seconds that it lives at most, if that is less than usual. */
  readonly life?: number;
}

/** A login that just began, with its first refresh token. */
export interface OpenedFamily extends FamilyToken {
  readonly family: TokenFamily;
}

/** Begins logins, and tells whose a refresh token is and what it is worth; `presentation.service.ts` spends them. */
@Injectable()
export class RefreshTokenService {
  /** Of the logins that this node has seen lately. */
  readonly secrets = new FamilySecrets();

  constructor(
    private readonly store: RefreshTokenStore,
    private readonly codec: RefreshTokenCodec,
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
  ): Promise<OpenedFamily | undefined> {
    const login = { ...this.newFamily(user, delivery), unlinked: true };
    return this.opened(await this.store.create(login, 'password', origin));
  }

  /**
   * Opens a login in a transaction that holds the user's row, for a user with another proof than a password. It may share the fate
   * of something, so that is asked about whenever it goes on.
   */
  async openWithin(
    sql: Sql,
    user: { readonly id: string; readonly epoch: number },
    delivery: TokenDelivery,
    { event, firstUnseen, life = Infinity }: FamilyOptions,
    origin: Origin,
  ): Promise<OpenedFamily | undefined> {
    const usual = this.newFamily(user, delivery);
    const familyExpiry = Math.min(usual.familyExpiry, life);
    const login = { ...usual, familyExpiry, event, firstUnseen };
    return this.opened(await this.store.create(login, event, origin, sql));
  }

  /** The login of a genuine token, whatever its state and generation; undefined for any other string. */
  async findFamily(token: string): Promise<TokenFamily | undefined> {
    return (await this.lookUp(token))?.family;
  }

  /** The same with the token's generation. */
  async lookUp(token: string): Promise<VerifiedRefreshToken | undefined> {
    const presented = this.codec.parse(token);
    const login = presented && (await this.find(presented));
    return login && { family: login, generation: presented!.generation };
  }

  /** The current refresh token of a login. */
  tokenOf(login: TokenFamily): string {
    const token = this.codec.mint(login, login.generation, login.macKey);
    // Another node has a newer JWT_SECRET than this one: the client will find it, or the operator will.
    if (token === undefined)
      throw unavailable(new Error('the login was continued with a JWT_SECRET unknown here'));
    return token;
  }

  /** Like {@link findFamily}, for a token that a refresh would take as the newest of a live login. */
  async findLiveFamily(token: string): Promise<TokenFamily | undefined> {
    const presented = this.codec.parse(token);
    const login = presented && (await this.find(presented));
    if (login === undefined || login.revoked || login.expired) return undefined;
    return login.generation === presented?.generation ? login : undefined;
  }

  /** The login of a genuine token as it is now, whatever its state and generation. */
  async find(presented: PresentedToken): Promise<TokenFamily | undefined> {
    const login = await this.store.find(presented.sid);
    if (login === undefined || !this.codec.isGenuine(presented, login.secret)) return undefined;
    this.remember(login);
    return login;
  }

  private opened(login: TokenFamily | undefined): OpenedFamily | undefined {
    if (login === undefined) return undefined;
    this.remember(login);
    return { family: login, token: this.tokenOf(login) };
  }

  private remember({ sid, secret, unlinked: alone }: TokenFamily): void {
    if (alone) this.secrets.set(sid, secret);
  }

  private newFamily(
    user: { readonly id: string; readonly epoch: number },
    delivery: TokenDelivery,
  ): NewFamily {
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
