import { sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { RowAlarms } from '../../audit/row-alarms.js';
import { unavailable } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { KeyFiles } from './key-files.js';
import { KeyOpenerService } from './key-opener.service.js';
import { ringAt } from './key-states.js';
import type { Ring } from './key-states.js';
import { ChangeFeed } from '../feed/change-feed.js';
import { KEYS_TOPIC, SigningKeyStore } from './signing-key.store.js';
import type { TrustedKey } from './key-trust.service.js';

export { JWKS_MAX_AGE } from './key-states.js';

const signAsync = promisify(sign);

/** A key in use on this node. */
interface LoadedKey extends TrustedKey {
  /** The protected header of what it signs, encoded. */
  readonly header: string;
}

/** The keys that this node signs and verifies access tokens with. The database is the truth; nodes follow it within a second. */
@Injectable()
export class KeyRingService {
  private readonly logger = new Logger(KeyRingService.name);
  private readonly files: KeyFiles;
  private readonly listeners: ((keeps: (kid: string) => boolean) => void)[] = [];
  private keys: ReadonlyMap<string, LoadedKey> = new Map();
  /** Keys of ours that were distrusted: by them a token is told from a forged one. */
  private distrusted: ReadonlyMap<string, KeyObject> = new Map();
  /** The trusted ones, in the order of their promotion. */
  private line: readonly LoadedKey[] = [];
  private longestExpiry = 0;
  /** The database's clock when the ring was read. */
  private readAt = 0;
  private reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: SigningKeyStore,
    private readonly opener: KeyOpenerService,
    feed: ChangeFeed,
    private readonly alarms: RowAlarms,
    @Inject(CONFIG) config: Config,
  ) {
    this.files = new KeyFiles(config.keysDir);
    feed.subscribe(KEYS_TOPIC, () => this.reload());
  }

  /** Makes the first key if there is none. Throws KeyRingError if this node may not use the ring. */
  async start(how: { readonly upgrade?: boolean } = {}): Promise<void> {
    await this.opener.open(how);
    await this.reload();
  }

  /** Tells `listener` which keys are kept whenever one may have gone. */
  onChange(listener: (keeps: (kid: string) => boolean) => void): void {
    this.listeners.push(listener);
  }

  /** The key that a token with this `kid` must be signed by; undefined if nothing signed by it counts (any more). */
  publicKey(kid: string): KeyObject | undefined {
    return this.keys.get(kid)?.publicKey;
  }

  /** The key that a token with this `kid` was signed by if it is ours, also if the key was distrusted since. */
  verificationKey(kid: string): { readonly publicKey: KeyObject; readonly distrusted: boolean } | undefined {
    const trusted = this.keys.get(kid)?.publicKey;
    if (trusted !== undefined) return { publicKey: trusted, distrusted: false };
    const publicKey = this.distrusted.get(kid);
    return publicKey && { publicKey, distrusted: true };
  }

  /** The key whose protected header a token begins with, in the very letters that this service writes. */
  namedBy(token: string): Pick<LoadedKey, 'kid' | 'header' | 'publicKey'> | undefined {
    return this.line.find(({ header }) => token.startsWith(header) && token[header.length] === '.');
  }

  /** Whether this node can sign. */
  canSign(now: number): boolean {
    return this.current(now)?.privateKey !== undefined;
  }

  /** A compact JWS (RFC 7515) with `typ` `at+jwt`, signed off the event loop. `now`: on the database's clock. */
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
   * Reads the ring again. What a key signed that is not in it any more counts no longer on this node. Calls take turns: one
   * that began before a key was distrusted must not bring it back.
   */
  reload(): Promise<void> {
    const read = this.reading.then(() => this.read());
    this.reading = read.catch(() => undefined);
    return read;
  }

  private async read(): Promise<void> {
    const { keys, alarms, now, longestExpiry } = await this.store.load();
    this.alarms.replace('signing_keys', alarms);
    const { current, next, previous } = ringAt(keys, now, longestExpiry);
    const kept = [current, ...next, ...previous].filter((key) => key !== undefined);
    const loaded = new Map(kept.map((row) => [row.kid, this.open(row)]));
    const gone = [...new Set([...this.keys.keys(), ...keys.map(({ kid }) => kid)])].filter(
      (kid) => !loaded.has(kid),
    );
    this.keys = loaded;
    this.distrusted = new Map(
      keys.filter(({ distrusted }) => distrusted).map(({ kid, publicKey }) => [kid, publicKey]),
    );
    this.line = [...loaded.values()].toSorted((a, b) => a.promoteAt - b.promoteAt);
    this.longestExpiry = longestExpiry;
    this.readAt = now;
    for (const listener of this.listeners) listener((kid) => loaded.has(kid));
    await this.files
      .sync(new Map(kept.map(({ kid, privatePem }) => [kid, privatePem])), gone)
      .catch((error: unknown) => this.logger.warn({ err: error }, 'KEYS_DIR could not be written'));
  }

  private ring(now: number): Ring<LoadedKey> {
    return ringAt(this.line, this.atLeastRead(now), this.longestExpiry);
  }

  private current(now: number): LoadedKey | undefined {
    const at = this.atLeastRead(now);
    return this.line.findLast(({ promoteAt }) => promoteAt <= at);
  }

  /** What was promoted when the ring was read is promoted, whatever this node takes for the time. */
  private atLeastRead(now: number): number {
    return Math.max(now, this.readAt);
  }

  private open(key: TrustedKey): LoadedKey {
    // After a change of JWT_SECRET elsewhere this node cannot open the row any more, but it has the key.
    const privateKey = key.privateKey ?? this.keys.get(key.kid)?.privateKey;
    if (privateKey === undefined)
      this.logger.error(`JWT_SECRET does not open the key ${key.kid}: it cannot sign here`);
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: key.kid })).toString(
      'base64url',
    );
    return { ...key, privateKey, header };
  }
}
