import { randomBytes, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { unavailable } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import type { Sql } from '../../database/database.js';
import { FamilySecrets } from './family-secrets.js';
import { RefreshTokenCodec } from './refresh-token.codec.js';
import type { PresentedToken } from './refresh-token.codec.js';
import type { TokenDelivery } from './refresh-token.entity.js';
import { RefreshTokenStore } from './refresh-token.store.js';
import type { FamilyToken, NewFamily, TokenFamily } from './token-family.js';

/** A refresh token that this service made, and its family as it is now. */
export interface VerifiedRefreshToken {
  readonly family: TokenFamily;
  readonly generation: number;
}

/** How a family is opened other than by a password. */
export interface FamilyOptions {
  /** The audit event. */
  readonly event: string;
  /** Whether to track that the client has received the first refresh token, too. */
  readonly firstUnseen?: boolean;
  /** The longest life in seconds, if it is shorter than the configured one. */
  readonly life?: number;
}

/** A new family with its first refresh token. */
export interface OpenedFamily extends FamilyToken {
  readonly family: TokenFamily;
}

/** A user, and their epoch when the credentials were verified. */
type VerifiedUser = { readonly id: string; readonly epoch: number };

/** Opens token families and verifies refresh tokens. `auth/refresh/refresh.service.ts` rotates them. */
@Injectable()
export class RefreshTokenService {
  /** The secrets of unlinked families that this node has used recently. */
  readonly secrets = new FamilySecrets();

  constructor(
    private readonly store: RefreshTokenStore,
    private readonly codec: RefreshTokenCodec,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Opens an unlinked family. Undefined if the user's epoch has changed since the password was verified: the password, the role or the
   * state has changed, or the user's families were revoked.
   */
  async open(user: VerifiedUser, delivery: TokenDelivery, origin: Origin): Promise<OpenedFamily | undefined> {
    const family = { ...this.newFamily(user, delivery), unlinked: true, byPassword: true };
    return this.opened(await this.store.create(family, 'password', origin));
  }

  /**
   * Opens a family in a transaction that holds the user's row, for a user who was verified by something else than a password. The family
   * may be linked, so each of its refreshes asks the revocation hook.
   */
  async openWithin(
    sql: Sql,
    user: VerifiedUser,
    delivery: TokenDelivery,
    options: FamilyOptions,
    origin: Origin,
  ): Promise<OpenedFamily | undefined> {
    const family = this.draft(user, delivery, options);
    return this.opened(await this.store.create(family, options.event, origin, sql));
  }

  /** A family for {@link openWithin}, or for a statement that also does something else. Nothing is written. */
  draft(
    user: VerifiedUser,
    delivery: TokenDelivery,
    { event, firstUnseen, life = Infinity }: FamilyOptions,
  ): NewFamily {
    const usual = this.newFamily(user, delivery);
    return { ...usual, familyExpiry: Math.min(usual.familyExpiry, life), event, firstUnseen };
  }

  /** The family and generation of a genuine token, also of a revoked or expired family; undefined for any other text. */
  async verify(token: string): Promise<VerifiedRefreshToken | undefined> {
    const presented = this.codec.parse(token);
    const family = presented && (await this.find(presented));
    return family && { family, generation: presented!.generation };
  }

  /** The family of a genuine token that is the current token of a live family. */
  async verifyCurrent(token: string): Promise<TokenFamily | undefined> {
    const verified = await this.verify(token);
    if (verified === undefined || verified.family.revoked || verified.family.expired) return undefined;
    return verified.generation === verified.family.generation ? verified.family : undefined;
  }

  /** The family of a genuine token as it is now, in any state and for any generation. Undefined for a bad MAC or an unknown family. */
  async find(presented: PresentedToken): Promise<TokenFamily | undefined> {
    const family = await this.store.find(presented.sid);
    if (family === undefined || !this.codec.isGenuine(presented, family.secret)) return undefined;
    this.keepSecret(family);
    return family;
  }

  /** The current refresh token of a family. Throws 503 if this node does not know the JWT_SECRET that it was made with. */
  tokenOf(family: TokenFamily): string {
    const token = this.codec.mint(family, family.generation, family.macKey);
    if (token === undefined)
      throw unavailable(new Error('the family was rotated with a JWT_SECRET that this node does not know'));
    return token;
  }

  private opened(family: TokenFamily | undefined): OpenedFamily | undefined {
    if (family === undefined) return undefined;
    this.keepSecret(family);
    return { family, token: this.tokenOf(family) };
  }

  private keepSecret({ sid, secret, unlinked }: TokenFamily): void {
    if (unlinked) this.secrets.set(sid, secret);
  }

  private newFamily(user: VerifiedUser, delivery: TokenDelivery): NewFamily {
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
