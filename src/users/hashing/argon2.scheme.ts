import { Algorithm, hash, parseOptions, verify } from '@node-rs/argon2';
import type { PasswordScheme } from './password-scheme.js';

/** The cost of new hashes: KiB, passes and lanes. */
export interface Argon2Parameters {
  readonly memoryCost: number;
  readonly timeCost: number;
  readonly parallelism: number;
}

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const PARAMETERS: Argon2Parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** The most memory of one hash, in KiB: a stored text that asks for terabytes would crash the process. */
const MAX_MEMORY = 131_072;
const MAX_LANES = 16;

/** Milliseconds per mebibyte and pass. */
const COST = 0.5;

/**
 * argon2id or argon2i in PHC form. Django writes `argon2` before it. A hash with `keyid` needs a secret key that only the other
 * system has. The library ignores parameters that it does not know, so no password would ever match such a hash.
 */
const FORM =
  /^(?:argon2)?(?<phc>\$argon2(?:id|i)(?:\$v=(?:16|19))?\$m=\d+,t=\d+,p=\d+(?:,data=[A-Za-z0-9+/]*)?\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+)$/;

/** The shortest tag that any system writes, in bytes. */
const MIN_TAG = 16;

/** Argon2 in PHC form. New passwords are stored as argon2id; argon2i and other parameters come from other systems. */
export class Argon2Scheme implements PasswordScheme {
  private readonly prefix: string;

  constructor(private readonly parameters = PARAMETERS) {
    const { memoryCost, timeCost, parallelism } = parameters;
    this.prefix = `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$`;
  }

  costOf(stored: string): number | undefined {
    const phc = phcOf(stored);
    if (phc === undefined) return undefined;
    try {
      const { memoryCost, timeCost, parallelism, outputLen } = parseOptions(phc);
      if (outputLen < MIN_TAG) return undefined;
      if (memoryCost > MAX_MEMORY || parallelism > MAX_LANES) return Infinity;
      return (memoryCost / 1024) * timeCost * COST;
    } catch {
      return undefined;
    }
  }

  verify(stored: string, password: string): Promise<boolean> {
    return verify(phcOf(stored) ?? '', password);
  }

  isOutdated(stored: string): boolean {
    return !stored.startsWith(this.prefix);
  }

  hash(password: string): Promise<string> {
    // Algorithm is a const enum of the package; argon2id is 2.
    return hash(password, { ...this.parameters, algorithm: 2 as Algorithm });
  }

  /** A hash of no password. Verifying it takes as long as verifying any new hash. */
  hashOfNothing(salt: Buffer, tag: Buffer): string {
    return this.prefix + [salt, tag].map((part) => part.toString('base64').replaceAll('=', '')).join('$');
  }
}

function phcOf(stored: string): string | undefined {
  return FORM.exec(stored)?.groups?.['phc'];
}
