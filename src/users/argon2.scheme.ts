import { Algorithm, hash, verify } from '@node-rs/argon2';
import type { PasswordScheme } from './password-scheme.js';

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const CURRENT = `$argon2id$v=19$m=${PARAMETERS.memoryCost},t=${PARAMETERS.timeCost},p=${PARAMETERS.parallelism}$`;

/** argon2id in PHC form: what new passwords are stored as. */
export class Argon2Scheme implements PasswordScheme {
  matches(stored: string): boolean {
    return stored.startsWith('$argon2id$');
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
}
