import { hash } from 'node:crypto';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { base64, foreignScheme } from './password-scheme.js';
import type { ForeignHash } from './password-scheme.js';

/** Runs on the event loop. Each stretch hashes a few thousand bytes; Devise makes 10 or 20. */
const MAX_STRETCHES = 1_000;
const COST = 0.005;

/**
 * `devise_sha512$10$salt$hex` and `authlogic_sha512$20$salt$hex`: the encryptors `sha512` and `authlogic_sha512` of
 * devise-encryptable, their `stretches`, and the columns `password_salt` and `encrypted_password`. The first may have
 * a `pepper$` in base64 before the latter.
 */
const FORM =
  /^(?<kind>devise|authlogic)_sha512\$(?<stretches>[1-9]\d{0,8})\$(?<salt>[^$]+)(?:\$(?<pepper>[A-Za-z0-9+/]+={0,2}))?\$(?<tag>[0-9a-f]{128})$/;

/** Salted and stretched SHA-512, as Devise wrote it before bcrypt. */
export const deviseScheme = foreignScheme(read);

function read(stored: string): ForeignHash | undefined {
  const parts = FORM.exec(stored)?.groups;
  if (parts === undefined || (parts['kind'] === 'authlogic' && parts['pepper'] !== undefined))
    return undefined;
  const stretches = Number(parts['stretches']);
  const salt = parts['salt']!;
  const pepper = base64(parts['pepper'] ?? '').toString();
  const digest = parts['kind'] === 'devise' ? devise(salt, pepper) : authlogic(salt);
  return {
    cost: stretches > MAX_STRETCHES ? Infinity : stretches * COST,
    matches: (password) => Promise.resolve(sameSecret(digest(password, stretches), parts['tag'])),
  };
}

function devise(salt: string, pepper: string) {
  return (password: string, stretches: number): string => {
    let digest = pepper;
    for (let i = 0; i < stretches; i++)
      digest = hash('sha512', `--${salt}--${digest}--${password}--${pepper}--`);
    return digest;
  };
}

function authlogic(salt: string) {
  return (password: string, stretches: number): string => {
    let digest = password + salt;
    for (let i = 0; i < stretches; i++) digest = hash('sha512', digest);
    return digest;
  };
}
