import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { unavailable } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { fingerprint, generateKey } from './key-material.js';
import { KeyRingError, MARGIN, ringAt } from './key-ring.js';
import type { KeyTimes } from './key-ring.js';
import { KeyRingService } from './key-ring.service.js';
import { ChangeFeed } from '../feed/change-feed.js';
import { SigningKeyStore } from './signing-key.store.js';
import type { Distrust } from './signing-key.store.js';

/** A key as administrators see it. Times are in ISO 8601. */
export interface KeyView {
  readonly kid: string;
  readonly state: 'next' | 'current' | 'previous' | 'distrusted' | 'gone' | 'refused';
  readonly created_at: string;
  readonly promote_at: string;
  readonly distrusted_at: string | null;
  /** When the last token that a previous key signed has expired; null for other keys. */
  readonly accepted_until: string | null;
}

/** Changes to the key ring by administrators. Reads the ring from the database, not from this node's memory. */
@Injectable()
export class KeyAdministrationService {
  constructor(
    private readonly store: SigningKeyStore,
    private readonly ring: KeyRingService,
    private readonly feed: ChangeFeed,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Publishes a next key, unless there is one. No request fails, because the key signs only when clients know it. */
  async rotate(origin: Origin, actorId?: string): Promise<KeyView[]> {
    const { jwtSecret } = this.config;
    const key = await this.newKey();
    await this.change(() => this.store.rotate(key, fingerprint(jwtSecret), origin, actorId));
    return this.list();
  }

  /** When this returns, this node accepts nothing signed by the key. Other nodes follow within a second. */
  async distrust(kid: string, origin: Origin, actorId?: string): Promise<Distrust> {
    const { jwtSecret } = this.config;
    const { keys, refused } = await this.store.load();
    const row = [...keys, ...refused].find((candidate) => candidate.kid === kid);
    if (row === undefined) return 'unknown';
    // Generating a key takes a second or more.
    const spare = row.distrustedAt !== null ? undefined : await this.newKey();
    return this.change(async () => {
      if (spare === undefined) return 'distrusted';
      return this.store.distrust(kid, spare, fingerprint(jwtSecret), origin, actorId);
    });
  }

  /** Every key in the database, with its state now. */
  async list(): Promise<KeyView[]> {
    const { keys, refused, now, longestExpiry } = await this.store.load();
    const { current, next, previous } = ringAt(keys, now, longestExpiry);
    const states = new Map<string, KeyView['state']>(previous.map(({ kid }) => [kid, 'previous']));
    for (const { kid } of next) states.set(kid, 'next');
    if (current !== undefined) states.set(current.kid, 'current');
    for (const { kid } of refused) states.set(kid, 'refused');
    const rows = [...keys, ...refused].toSorted((a, b) => a.promoteAt - b.promoteAt);
    return rows.map((key) => ({
      kid: key.kid,
      state: key.distrusted ? 'distrusted' : (states.get(key.kid) ?? 'gone'),
      created_at: key.createdAt.toISOString(),
      promote_at: new Date(key.promoteAt).toISOString(),
      distrusted_at: key.distrustedAt?.toISOString() ?? null,
      accepted_until: endOf(key, keys, states.get(key.kid), longestExpiry),
    }));
  }

  private newKey() {
    return generateKey(this.config.rsaModulusBits, this.config.jwtSecret);
  }

  private async change<T>(change: () => Promise<T>): Promise<T> {
    const outcome = await change().catch((error: unknown) => {
      throw error instanceof KeyRingError ? unavailable(error) : error;
    });
    await this.ring.reload();
    this.feed.hint();
    return outcome;
  }
}

/** Returns when the key stops verifying; null for a key that is not `previous`. Its successor is the next trusted key. */
function endOf(
  { promoteAt }: KeyTimes,
  keys: readonly KeyTimes[],
  state: KeyView['state'] | undefined,
  longestExpiry: number,
): string | null {
  if (state !== 'previous') return null;
  const later = keys.filter((key) => !key.distrusted && key.promoteAt > promoteAt);
  const successor = Math.min(...later.map((key) => key.promoteAt));
  return new Date(successor + (longestExpiry + MARGIN) * 1000).toISOString();
}
