import { createHmac, hkdfSync } from 'node:crypto';
import { sameSecret } from './constant-time.js';
import type { Config } from '../config/config.js';

/** What a `macs` column holds: one MAC for each secret, by a name that says nothing about the secret. */
export type Macs = Readonly<Record<string, string>>;

/** `missing`: the row has no MAC. `unknown_key`: it has MACs, but none by a secret of this node. */
export type MacVerdict = 'right' | 'wrong' | 'missing' | 'unknown_key';

export type MacPart = string | number | boolean | null;

/**
 * Makes and verifies MACs over the rows of one table, with keys derived from JWT_SECRET and JWT_SECRET_PREVIOUS. Write access to the
 * database alone makes none. While JWT_SECRET is being changed, a row gets a MAC by each of the two secrets, so that nodes that have
 * only one of them verify it.
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

  /** One MAC by each secret of this node. */
  make(parts: readonly MacPart[]): Macs {
    return Object.fromEntries(
      [...this.keys].map(([name, key]) => [name, this.mac(key, parts).toString('base64url')]),
    );
  }

  /** `macs`: as read from the database, so it may be anything. Compares in constant time. */
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

  /** Whether there is a MAC by every secret of this node. Says nothing about whether they are right. */
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
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'tandem row mac', 32));
  const name = Buffer.from(hkdfSync('sha256', secret, '', 'tandem row mac name', 6)).toString('hex');
  return [name, key];
}
