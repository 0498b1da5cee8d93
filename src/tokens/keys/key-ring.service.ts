import { sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { RowAlarms } from '../../audit/row-alarms.js';
import { unavailable } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { KeyFiles } from './key-files.js';
import { MARGIN, ringAt } from './key-ring.js';
import type { Ring } from './key-ring.js';
import { ChangeFeed } from '../feed/change-feed.js';
import { KEYS_TOPIC, SigningKeyStore } from './signing-key.store.js';
import type { TrustedKey } from './key-trust.service.js';

export { JWKS_MAX_AGE } from './key-ring.js';

const signAsync = promisify(sign);

/** Which keys other services may trust. */
export interface KeyTrust {
  /** Increases with each change of the ring. */
  readonly version: number;
  readonly trusted: readonly string[];
  /** Distrusted keys, with the time on the database's clock, in milliseconds, at which the last token of the key has expired. */
  readonly distrusted: readonly { readonly kid: string; readonly expires: number }[];
}

/** A key that this node has loaded. */
interface LoadedKey extends TrustedKey {
  /** The encoded protected header of the tokens that it signs. */
  readonly header: string;
}

/** The keys that this node signs and verifies access tokens with. It follows changes in the database within a second. */
@Injectable()
export class KeyRingService {
  private readonly logger = new Logger(KeyRingService.name);
  private readonly files: KeyFiles;
  private readonly listeners: ((keeps: (kid: string) => boolean) => void)[] = [];
  private keys: ReadonlyMap<string, LoadedKey> = new Map();
  /** Distrusted keys, to tell a token that they signed from a forged one. */
  private distrusted: ReadonlyMap<string, KeyObject> = new Map();
  /** The trusted keys, in the order of their promotion. */
  private inOrder: readonly LoadedKey[] = [];
  private longestExpiry = 0;
  private published: KeyTrust = { version: 0, trusted: [], distrusted: [] };
  /** The database's clock when the ring was read. */
  private readAt = 0;
  private reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: SigningKeyStore,
    feed: ChangeFeed,
    private readonly alarms: RowAlarms,
    @Inject(CONFIG) config: Config,
  ) {
    this.files = new KeyFiles(config.keysDir);
    feed.subscribe(KEYS_TOPIC, () => this.reload());
  }

  /** Calls `listener` after each reload. `keeps` says whether a key is still accepted. */
  onChange(listener: (keeps: (kid: string) => boolean) => void): void {
    this.listeners.push(listener);
  }

  /** The trusted and the distrusted keys at the last reload. */
  get trust(): KeyTrust {
    return this.published;
  }

  /** Returns the public key for a `kid`; undefined if this node accepts nothing signed by it. */
  publicKey(kid: string): KeyObject | undefined {
    return this.keys.get(kid)?.publicKey;
  }

  /** Returns the public key for a `kid`, even if the key was distrusted. */
  verificationKey(kid: string): { readonly publicKey: KeyObject; readonly distrusted: boolean } | undefined {
    const trusted = this.keys.get(kid)?.publicKey;
    if (trusted !== undefined) return { publicKey: trusted, distrusted: false };
    const publicKey = this.distrusted.get(kid);
    return publicKey && { publicKey, distrusted: true };
  }

  /** The key whose protected header a token begins with, byte for byte as this service writes it. */
  namedBy(token: string): Pick<LoadedKey, 'kid' | 'header' | 'publicKey'> | undefined {
    return this.inOrder.find(({ header }) => token.startsWith(header) && token[header.length] === '.');
  }

  /** Whether this node can sign. */
  canSign(now: number): boolean {
    return this.current(now)?.privateKey !== undefined;
  }

  /** When the current key began to sign, in milliseconds on the database's clock; undefined without one. */
  signingSince(now: number): number | undefined {
    return this.current(now)?.promoteAt;
  }

  /** Returns a compact JWS (RFC 7515) with `typ` `at+jwt`, signed off the event loop. `now`: on the database's clock. */
  async sign(claims: object, now: number): Promise<string> {
    const key = this.current(now);
    if (key?.privateKey === undefined) throw unavailable(new Error('no key to sign with'));
    const input = `${key.header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
    const signature = await signAsync('sha256', Buffer.from(input), key.privateKey);
    return `${input}.${signature.toString('base64url')}`;
  }

  /** The JWK Set (RFC 7517) as JSON. */
  jwks(now: number): { readonly body: string } {
    const { current, next, previous } = this.ring(now);
    const published = [...(current === undefined ? [] : [current]), ...next, ...previous];
    const keys = published.map(({ kid, publicJwk }) => ({ ...publicJwk, kid, alg: 'RS256', use: 'sig' }));
    return { body: JSON.stringify({ keys }) };
  }

  /**
   * Reads the ring again. From then on this node refuses what removed keys have signed. Calls run one after another, so that a read from
   * before a key was distrusted cannot bring it back.
   */
  reload(): Promise<void> {
    const read = this.reading.then(() => this.read());
    this.reading = read.catch(() => undefined);
    return read;
  }

  /** Reads the ring again if this node has not read `version` yet. Concurrent callers share one read. */
  async catchUp(version: number): Promise<void> {
    if (version <= this.published.version) return;
    const read = this.reading.then(() => (version > this.published.version ? this.read() : undefined));
    this.reading = read.catch(() => undefined);
    await read;
  }

  private async read(): Promise<void> {
    const { keys, alarms, now, longestExpiry, version } = await this.store.load();
    this.alarms.replace('signing_keys', alarms);
    const { current, next, previous } = ringAt(keys, now, longestExpiry);
    const kept = [current, ...next, ...previous].filter((key) => key !== undefined);
    const loaded = new Map(kept.map((row) => [row.kid, this.open(row)]));
    const known = new Set([...this.keys.keys(), ...keys.map(({ kid }) => kid)]);
    const removed = [...known].filter((kid) => !loaded.has(kid));
    this.keys = loaded;
    this.distrusted = new Map(
      keys.filter(({ distrusted }) => distrusted).map(({ kid, publicKey }) => [kid, publicKey]),
    );
    this.inOrder = [...loaded.values()].toSorted((a, b) => a.promoteAt - b.promoteAt);
    this.longestExpiry = longestExpiry;
    this.readAt = now;
    const lifetime = (longestExpiry + MARGIN) * 1000;
    this.published = {
      version,
      trusted: [...loaded.keys()],
      distrusted: keys
        .filter(({ distrusted }) => distrusted)
        .map(({ kid, distrustedAt }) => ({ kid, expires: (distrustedAt?.getTime() ?? now) + lifetime })),
    };
    for (const listener of this.listeners) listener((kid) => loaded.has(kid));
    await this.files
      .sync(new Map(kept.map(({ kid, privatePem }) => [kid, privatePem])), removed)
      .catch((error: unknown) => this.logger.warn({ err: error }, 'failed to write KEYS_DIR'));
  }

  private ring(now: number): Ring<LoadedKey> {
    return ringAt(this.inOrder, this.atLeastRead(now), this.longestExpiry);
  }

  private current(now: number): LoadedKey | undefined {
    const at = this.atLeastRead(now);
    return this.inOrder.findLast(({ promoteAt }) => promoteAt <= at);
  }

  /** A key that was promoted when the ring was read stays promoted, even if this node's time lags. */
  private atLeastRead(now: number): number {
    return Math.max(now, this.readAt);
  }

  private open(key: TrustedKey): LoadedKey {
    // After JWT_SECRET was changed on another node, this node cannot decrypt the row, but it still has the key.
    const privateKey = key.privateKey ?? this.keys.get(key.kid)?.privateKey;
    if (privateKey === undefined)
      this.logger.error(`JWT_SECRET does not decrypt the key ${key.kid}: this node cannot sign with it`);
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: key.kid })).toString(
      'base64url',
    );
    return { ...key, privateKey, header };
  }
}
