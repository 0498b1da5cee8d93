import type { PublicKey, PublicKeys } from './jwk-set.js';

/** A key that the service publishes, or published before. */
export interface KnownKey {
  readonly publicKey: PublicKey;
  /** The service no longer publishes it: it has retired or was distrusted. */
  readonly former: boolean;
}

/** Where a verifier looks up the key of a token. */
export interface KeySource {
  /** The key if it is known already. Waits for nothing. */
  get(kid: string): KnownKey | undefined;
  /** The key, after a look at the service if it is unknown. Throws if the service gives no answer. */
  find(kid: string): Promise<KnownKey | undefined>;
}

/** Milliseconds between two looks at the service for keys that we do not know. Anybody can invent a `kid`. */
export const COOLDOWN_MS = 5_000;

/** Milliseconds after which the set is read again: as long as the service lets clients cache it. */
export const MAX_AGE_MS = 300_000;

/** Former keys that are kept, to tell a token of a distrusted key from a forged one. */
export const MAX_FORMER = 32;

/** The service's keys. A failed fetch changes nothing: the last good set stays. */
export class KeyStore implements KeySource {
  private published: ReadonlyMap<string, KnownKey> = new Map();
  private readonly former = new Map<string, KnownKey>();
  private fetching: Promise<void> | undefined;
  /** When the last fetch began, on the monotonic clock. */
  private askedAt = -Infinity;
  private failure: unknown;

  constructor(
    private readonly fetchKeys: () => Promise<PublicKeys>,
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  get isLoaded(): boolean {
    return this.published.size > 0;
  }

  get(kid: string): KnownKey | undefined {
    this.refreshIfOld();
    return this.published.get(kid) ?? this.former.get(kid);
  }

  async find(kid: string): Promise<KnownKey | undefined> {
    const known = this.get(kid);
    if (known?.former === false) return known;
    if (this.fetching !== undefined || this.age() >= COOLDOWN_MS) await this.refresh().catch(() => undefined);
    const found = this.get(kid);
    // We cannot tell a new key from an invented one.
    if (found === undefined && this.failure !== undefined) throw this.failure;
    return found;
  }

  /** Reads the set again. One fetch at a time: callers share it. Rejects if it fails. */
  refresh(): Promise<void> {
    this.fetching ??= this.fetch().finally(() => {
      this.fetching = undefined;
    });
    return this.fetching;
  }

  /** Reads the set again if one of the keys is unknown. For news from the service itself, so there is no cooldown. */
  expect(kids: Iterable<string>): void {
    for (const kid of kids) {
      if (this.published.has(kid)) continue;
      void this.refresh().catch(() => undefined);
      return;
    }
  }

  private refreshIfOld(): void {
    if (this.fetching !== undefined || this.published.size === 0) return;
    if (this.age() < (this.failure === undefined ? MAX_AGE_MS : COOLDOWN_MS)) return;
    void this.refresh().catch(() => undefined);
  }

  private async fetch(): Promise<void> {
    this.askedAt = this.monotonic();
    try {
      this.replace(await this.fetchKeys());
      this.failure = undefined;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  private replace(keys: PublicKeys): void {
    for (const [kid, { publicKey }] of this.published) {
      if (!keys.has(kid)) this.former.set(kid, { publicKey, former: true });
    }
    for (const kid of keys.keys()) this.former.delete(kid);
    for (const kid of this.former.keys()) {
      if (this.former.size <= MAX_FORMER) break;
      this.former.delete(kid);
    }
    this.published = new Map([...keys].map(([kid, publicKey]) => [kid, { publicKey, former: false }]));
  }

  private age(): number {
    return this.monotonic() - this.askedAt;
  }
}
