import { createPublicKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { RowAlarm } from '../../audit/row-alarms.js';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { RowMacs } from '../../common/crypto/row-macs.js';
import type { MacPart, Macs } from '../../common/crypto/row-macs.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { decryptKey, predatesMacs, publicJwkOf, thumbprint } from './key-material.js';
import type { KeyTimes } from './key-ring.js';

/** An unverified row of `signing_keys`. Anybody with write access to the database may have written it. */
export interface KeyRow extends KeyTimes {
  readonly publicJwk: JsonWebKey;
  readonly privatePem: string;
  readonly macs: unknown;
  readonly createdAt: Date;
  readonly distrustedAt: Date | null;
  /** Creation, promotion and distrust in microseconds, as the MAC covers them. */
  readonly times: readonly (string | null)[];
  /** Whether the audit trail says that the key was distrusted. */
  readonly distrustAudited: boolean;
}

/** A key whose row was verified: this service wrote it. */
export interface TrustedKey extends KeyTimes {
  /** The public key. It is derived from the private key if this node can decrypt that. */
  readonly publicJwk: JsonWebKey;
  readonly publicKey: KeyObject;
  /** The private key; undefined if JWT_SECRET does not decrypt it. Then this node verifies with the key, but does not sign. */
  readonly privateKey: KeyObject | undefined;
  readonly privatePem: string;
  readonly createdAt: Date;
  readonly distrustedAt: Date | null;
  /** Whether a release before row MACs wrote the row. */
  readonly predatesMacs: boolean;
  /** Whether the row is genuine, but has no MAC for one of the current secrets. */
  readonly needsMacs: boolean;
}

/** The rows of the ring, split into trusted keys and refused rows. */
export interface ClassifiedKeys {
  readonly keys: readonly TrustedKey[];
  readonly refused: readonly KeyRow[];
  readonly alarms: readonly RowAlarm[];
}

/** The most decrypted keys in memory. A ring never has so many. */
const MAX_DECRYPTED = 64;

const MESSAGES = {
  not_ours: 'the key is not used: JWT_SECRET does not decrypt it and its row has no valid MAC',
  other_key: 'the key is not used: its private key belongs to another kid',
  distrust_undone: 'the key stays distrusted, because the audit trail says that it was distrusted',
  public_key_changed: 'the public key in the row is not used: it does not belong to the private key',
  times_changed: 'the row of the key was changed: it has no valid MAC over its times',
} as const;

/**
 * Decides which rows of the ring can be trusted. A row is trusted if JWT_SECRET decrypts its private key; the public key is derived from
 * that. While JWT_SECRET is being changed, a node cannot decrypt every key. Then a MAC over the row by one of the two secrets decides.
 */
@Injectable()
export class KeyTrustService {
  private readonly macs: RowMacs;
  /** The keys that JWT_SECRET has decrypted, by their PEM text. Decrypting is slow by design. */
  private readonly decrypted = new Map<string, KeyObject>();

  constructor(@Inject(CONFIG) private readonly config: Config) {
    this.macs = new RowMacs('signing_keys', config);
  }

  /** Makes the MACs for the row as it is now; undefined if the row is not trusted. */
  macsOf(row: KeyRow): Macs | undefined {
    const [key] = this.classify([row]).keys;
    return key && this.macs.make(partsOf(row, key.publicJwk));
  }

  /** Verifies the rows. `secret`: the JWT_SECRET that encrypts the keys. */
  classify(rows: readonly KeyRow[], secret = this.config.jwtSecret): ClassifiedKeys {
    const keys: TrustedKey[] = [];
    const refused: KeyRow[] = [];
    const alarms: RowAlarm[] = [];
    for (const row of rows) {
      const privateKey = this.decrypt(row.privatePem, secret);
      const { key, reasons } =
        privateKey === undefined ? this.byMac(row) : this.byPrivateKey(row, privateKey);
      if (key === undefined) refused.push(row);
      else keys.push(key);
      // A distrusted key is harmless, so an operator clears the alarm about a foreign row by distrusting it.
      const undone = row.distrustAudited && !row.distrusted ? (['distrust_undone'] as const) : [];
      const reported = row.distrusted ? [] : [...reasons, ...undone];
      alarms.push(...reported.map((reason) => ({ id: row.kid, reason, message: MESSAGES[reason] })));
    }
    return { keys, refused, alarms };
  }

  private decrypt(pem: string, secret: string): KeyObject | undefined {
    if (!sameSecret(secret, this.config.jwtSecret)) return decryptKey(pem, secret);
    const known = this.decrypted.get(pem);
    if (known !== undefined) return known;
    const key = decryptKey(pem, secret);
    if (key === undefined) return undefined;
    if (this.decrypted.size >= MAX_DECRYPTED) this.decrypted.delete(this.decrypted.keys().next().value!);
    this.decrypted.set(pem, key);
    return key;
  }

  private byPrivateKey(row: KeyRow, privateKey: KeyObject) {
    const publicJwk = publicJwkOf(privateKey);
    if (thumbprint(publicJwk) !== row.kid) return { reasons: ['other_key'] as const };
    const verdict = this.macs.verify(partsOf(row, publicJwk), row.macs);
    const old = predatesMacs(row.privatePem);
    // A release before row MACs may have written the row without one, but not with a wrong one.
    const acceptable = verdict === 'right' || (old && verdict !== 'wrong');
    const reasons: (keyof typeof MESSAGES)[] = [];
    if (thumbprintOf(row.publicJwk) !== row.kid) reasons.push('public_key_changed');
    if (!acceptable) reasons.push('times_changed');
    const incomplete = verdict !== 'right' || !this.macs.isComplete(row.macs);
    // A distrusted row always gets its MACs, so that it stays distrusted.
    const needsMacs = incomplete && (reasons.length === 0 || row.distrusted);
    return { reasons, key: { ...trustedFields(row, publicJwk, privateKey), predatesMacs: old, needsMacs } };
  }

  private byMac(row: KeyRow) {
    const ours =
      thumbprintOf(row.publicJwk) === row.kid &&
      this.macs.verify(partsOf(row, row.publicJwk), row.macs) === 'right';
    if (!ours) return { reasons: ['not_ours'] as const };
    const key = { ...trustedFields(row, row.publicJwk, undefined), predatesMacs: false, needsMacs: false };
    return { reasons: [], key };
  }
}

function trustedFields(row: KeyRow, publicJwk: JsonWebKey, privateKey: KeyObject | undefined) {
  const { kid, promoteAt, distrusted, distrustAudited, privatePem, createdAt, distrustedAt } = row;
  return {
    kid,
    promoteAt,
    distrusted: distrusted || distrustAudited,
    privatePem,
    createdAt,
    distrustedAt,
    publicJwk,
    publicKey: createPublicKey({ key: publicJwk, format: 'jwk' }),
    privateKey,
  };
}

function partsOf({ kid, times }: KeyRow, { n, e }: JsonWebKey): MacPart[] {
  return [kid, n ?? null, e ?? null, ...times];
}

/** Returns the thumbprint of a public RSA key; undefined for any other value. */
function thumbprintOf(jwk: unknown): string | undefined {
  const { e, kty, n } = Object(jwk) as JsonWebKey;
  return kty === 'RSA' && typeof n === 'string' && typeof e === 'string'
    ? thumbprint({ e, kty, n })
    : undefined;
}
