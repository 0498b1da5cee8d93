import { createHmac } from 'node:crypto';
import { sameSecret } from './constant-time.js';
import { deriveKey } from './derived-key.js';
import type { Config } from '../../config/config.js';

/** The content of a `macs` column: one MAC for each secret, under a name that reveals nothing about the secret. */
export type Macs = Readonly<Record<string, string>>;

/** `missing`: the row has no MAC. `unknown_key`: it has MACs, but none for a secret of this node. */
export type MacVerdict = 'right' | 'wrong' | 'missing' | 'unknown_key';

export type MacPart = string | number | boolean | null;

/**
 * Makes and verifies MACs over the rows of one table, with keys derived from JWT_SECRET and JWT_SECRET_PREVIOUS. An attacker
 * who can only write to the database cannot make them. While JWT_SECRET is being changed, a row gets one MAC for each of the two
 * secrets, so that nodes that know only one of them can verify it.
 */
export class RowMacs {
  private readonly keys: ReadonlyMap<string, Buffer>;

  constructor(
    private readonly table: string,
    { jwtSecret, jwtSecretPrevious }: Pick<Config, 'jwtSecret' | 'jwtSecretPrevious'>,
  ) {
    const secrets = jwtSecretPrevious === undefined ? [jwtSecret] : [jwtSecret, jwtSecretPrevious];
    this.keys = new Map(secrets.map(derive));
  }

  /** Makes one MAC for each secret of this node. */
  make(parts: readonly MacPart[]): Macs {
    return Object.fromEntries(
      [...this.keys].map(([name, key]) => [name, this.mac(key, parts).toString('base64url')]),
    );
  }

  /** `macs`: the value from the database, which may be anything. Compares in constant time. */
  verify(parts: readonly MacPart[], macs: unknown): MacVerdict {
    if (macs === null || macs === undefined) return 'missing';
    let verdict: MacVerdict = 'unknown_key';
    for (const [name, key] of this.keys) {
      const given = macIn(macs, name);
      if (given === undefined) continue;
      if (sameSecret(this.mac(key, parts), given)) return 'right';
      verdict = 'wrong';
    }
    return verdict;
  }

  /** Whether the row has a MAC for every secret of this node. Does not verify them. */
  isComplete(macs: unknown): boolean {
    return [...this.keys.keys()].every((name) => macIn(macs, name) !== undefined);
  }

  private mac(key: Buffer, parts: readonly MacPart[]): Buffer {
    return createHmac('sha256', key)
      .update(JSON.stringify([this.table, ...parts]))
      .digest();
  }
}

function macIn(macs: unknown, name: string): Buffer | undefined {
  if (typeof macs !== 'object' || macs === null || !Object.hasOwn(macs, name)) return undefined;
  const mac = (macs as Record<string, unknown>)[name];
  return typeof mac === 'string' ? Buffer.from(mac, 'base64url') : undefined;
}

function derive(secret: string): [name: string, key: Buffer] {
  const { name, key } = deriveKey(secret, 'tandem row mac');
  return [name, key];
}
