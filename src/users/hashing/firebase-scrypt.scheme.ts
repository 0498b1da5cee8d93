import { createCipheriv } from 'node:crypto';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { base64, foreignScheme, isTag } from './password-scheme.js';
import type { ForeignHash } from './password-scheme.js';
import { deriveScrypt, scryptCost } from './scrypt.scheme.js';

/**
 * `$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=…$salt$hash`: n is Firebase's `mem_cost`, r its `rounds`, ss and sk the project's
 * salt separator and signer key; salt and hash are the account's, as `firebase auth:export` writes them.
 */
const FORM =
  /^\$fbscrypt\$v=1,n=(?<n>\d{1,2}),r=(?<r>\d{1,4}),p=(?<p>\d{1,4}),ss=(?<ss>[\w+/-]*={0,2}),sk=(?<sk>[\w+/-]+={0,2})\$(?<salt>[\w+/-]+={0,2})\$(?<tag>[\w+/-]+={0,2})$/;

/** scrypt derives an AES-256 key. The hash is the signer key, encrypted with it. */
export const firebaseScryptScheme = foreignScheme(read);

function read(stored: string): ForeignHash | undefined {
  const parts = FORM.exec(stored)?.groups;
  if (parts === undefined) return undefined;
  const turned = { N: 2 ** Number(parts['n']), r: Number(parts['r']), p: Number(parts['p']) };
  const cost = scryptCost(turned);
  const [salt, separator, signer, tag] = ['salt', 'ss', 'sk', 'tag'].map((name) => base64(parts[name]!)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  if (cost === undefined || !isTag(tag) || signer.length !== tag.length) return undefined;
  return {
    cost,
    async matches(password) {
      const key = await deriveScrypt(password, Buffer.concat([salt, separator]), 32, turned);
      const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
      return sameSecret(Buffer.concat([cipher.update(signer), cipher.final()]), tag);
    },
  };
}
