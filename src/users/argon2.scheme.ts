import { Algorithm, hash, parseOptions, verify } from '@node-rs/argon2';
import type { PasswordScheme } from './password-scheme.js';

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const CURRENT = `$argon2id$v=19$m=${PARAMETERS.memoryCost},t=${PARAMETERS.timeCost},p=${PARAMETERS.parallelism}$`;

/**
 * The dearest hash that is checked: 128 MiB, and as much as three passes over them. A text that asks for terabytes would
 * end the process, one that asks for hours would hold a lane; and the slowest has to stay below the floor of failures.
 */
const MAX_MEMORY = 131_072;
const MAX_WORK = 3 * MAX_MEMORY;
const MAX_LANES = 16;

/** argon2id in PHC form: what new passwords are stored as. */
export class Argon2Scheme implements PasswordScheme {
  /** Only well-formed texts of bearable cost. */
  matches(stored: string): boolean {
    if (!stored.startsWith('$argon2id$')) return false;
    try {
      const { memoryCost, timeCost, parallelism } = parseOptions(stored);
      return memoryCost <= MAX_MEMORY && memoryCost * timeCost <= MAX_WORK && parallelism <= MAX_LANES;
    } catch {
      return false;
    }
  }

  verify(stored: string, password: string): Promise<boolean> {
    return verify(stored, password);
  }

  isOutdated(stored: string): boolean {
    return !stored.startsWith(CURRENT);
  }

  hash(password: string): Promise<string> {
    // Algorithm is a const enum of the package: its value is 2 for argon2id.
    return hash(password, { ...PARAMETERS, algorithm: 2 as Algorithm });
  }

  /** A hash of no password: takes as long to check as any of today's. */
  hashOfNothing(salt: Buffer, tag: Buffer): string {
    return CURRENT + [salt, tag].map((part) => part.toString('base64').replaceAll('=', '')).join('$');
  }
}
