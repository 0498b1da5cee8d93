import { createPublicKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { RowAlarm } from '../../audit/row-alarms.js';
import { sameSecret } from '../../common/constant-time.js';
import { RowMacs } from '../../common/row-macs.js';
import type { MacPart, Macs } from '../../common/row-macs.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { decryptKey, isFromBeforeMacs, publicJwkOf, thumbprint } from './key-material.js';
import type { KeyTimes } from './key-states.js';

/** A row of the ring as it is in the database. Anybody with write access may have written it. */
export interface KeyRow extends KeyTimes {
  readonly publicJwk: JsonWebKey;
  readonly privatePem: string;
  readonly macs: unknown;
  readonly createdAt: Date;
  readonly distrustedAt: Date | null;
  /** Created, promoted, distrusted: in microseconds, as the MAC covers them. */
  readonly times: readonly (string | null)[];
  /** Whether the audit trail says that the key was distrusted. */
  readonly distrustAudited: boolean;
}

/** A key that is certainly ours. */
export interface TrustedKey extends KeyTimes {
  /** Derived from the private key, if this node can open it. */
  readonly publicJwk: JsonWebKey;
  readonly publicKey: KeyObject;
  /** Undefined if JWT_SECRET does not open it: it verifies here and does not sign. */
  readonly privateKey: KeyObject | undefined;
  readonly privatePem: string;
  readonly createdAt: Date;
  readonly distrustedAt: Date | null;
  /** From a release before row MACs: it has none because nobody has made one yet. */
  readonly fromBeforeMacs: boolean;
  /** Whether its row is as this service wrote it, and lacks a MAC by one of the secrets. */
  readonly needsMacs: boolean;
}

/** The rows of the ring, told apart. */
export interface JudgedKeys {
  readonly keys: readonly TrustedKey[];
  readonly refused: readonly KeyRow[];
  readonly alarms: readonly RowAlarm[];
}

/** More than a ring ever has. */
const MAX_OPENED = 64;

const MESSAGES = {
  not_ours: 'the key is not used: JWT_SECRET does not open it and it has no right MAC',
  other_key: 'the key is not used: its private key belongs to another kid',
  distrust_undone: 'the key stays distrusted: the audit trail says that it was',
  public_key_changed: 'the public key in the row is not used: it does not belong to the private key',
  times_changed: 'the times of the key were changed',
} as const;

/**
 * Decides which rows of the ring are ours. A row whose private key JWT_SECRET opens is, with the public key derived from it. While
 * JWT_SECRET is being changed, a node cannot open every key: then a MAC over the row by one of the two secrets decides.
 */
@Injectable()
export class KeyTrustService {
  private readonly macs: RowMacs;
  /** Opening a key is slow by design: the keys that JWT_SECRET has opened, by their text. */
  private readonly opened = new Map<string, KeyObject>();

  constructor(@Inject(CONFIG) private readonly config: Config) {
    this.macs = new RowMacs('signing_keys', config);
  }

  /** For the row as it is now, if it is ours. */
  macsOf(row: KeyRow): Macs | undefined {
    const [key] = this.judge([row]).keys;
    return key && this.macs.make(partsOf(row, key.publicJwk));
  }

  /** `secret`: the one that the ring is encrypted with. */
  judge(rows: readonly KeyRow[], secret = this.config.jwtSecret): JudgedKeys {
    const keys: TrustedKey[] = [];
    const refused: KeyRow[] = [];
    const alarms: RowAlarm[] = [];
    for (const row of rows) {
      const privateKey = this.open(row.privatePem, secret);
      const { key, reasons } =
        privateKey === undefined ? this.byMac(row) : this.byPrivateKey(row, privateKey);
      if (key === undefined) refused.push(row);
      else keys.push(key);
      // A distrusted key harms nobody: to distrust a foreign row ends its alarm.
      const undone = row.distrustAudited && !row.distrusted ? (['distrust_undone'] as const) : [];
      const told = row.distrusted ? [] : [...reasons, ...undone];
      alarms.push(...told.map((reason) => ({ id: row.kid, reason, message: MESSAGES[reason] })));
    }
    return { keys, refused, alarms };
  }

  private open(pem: string, secret: string): KeyObject | undefined {
    if (!sameSecret(secret, this.config.jwtSecret)) return decryptKey(pem, secret);
    const known = this.opened.get(pem) ?? decryptKey(pem, secret);
    if (known === undefined) return undefined;
    if (this.opened.size >= MAX_OPENED) this.opened.delete(this.opened.keys().next().value!);
    this.opened.set(pem, known);
    return known;
  }

  private byPrivateKey(row: KeyRow, privateKey: KeyObject) {
    const publicJwk = publicJwkOf(privateKey);
    if (thumbprint(publicJwk) !== row.kid) return { reasons: ['other_key'] as const };
    const verdict = this.macs.verify(partsOf(row, publicJwk), row.macs);
    const fromBeforeMacs = isFromBeforeMacs(row.privatePem);
    const reasons: (keyof typeof MESSAGES)[] = [];
    if (thumbprintOf(row.publicJwk) !== row.kid) reasons.push('public_key_changed');
    if (verdict !== 'right' && !(fromBeforeMacs && verdict !== 'wrong')) reasons.push('times_changed');
    const incomplete = verdict !== 'right' || !this.macs.isComplete(row.macs);
    // A distrusted row gets its MAC in any case: then it stays distrusted.
    const needsMacs = incomplete && (reasons.length === 0 || row.distrusted);
    return { reasons, key: { ...trusted(row, publicJwk, privateKey), fromBeforeMacs, needsMacs } };
  }

  private byMac(row: KeyRow) {
    const ours =
      thumbprintOf(row.publicJwk) === row.kid &&
      this.macs.verify(partsOf(row, row.publicJwk), row.macs) === 'right';
    if (!ours) return { reasons: ['not_ours'] as const };
    const key = { ...trusted(row, row.publicJwk, undefined), fromBeforeMacs: false, needsMacs: false };
    return { reasons: [], key };
  }
}

function trusted(row: KeyRow, publicJwk: JsonWebKey, privateKey: KeyObject | undefined) {
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

/** Undefined for what is no public RSA key. */
function thumbprintOf(jwk: unknown): string | undefined {
  const { e, kty, n } = Object(jwk) as JsonWebKey;
  return kty === 'RSA' && typeof n === 'string' && typeof e === 'string'
    ? thumbprint({ e, kty, n })
    : undefined;
}
