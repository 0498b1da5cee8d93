import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FamilySecrets } from '../../../src/tokens/families/family-secrets.js';

describe('FamilySecrets', () => {
  it('returns each secret unchanged, and undefined for an unknown family', () => {
    const secrets = new FamilySecrets();
    const secret = Buffer.from(Array.from({ length: 32 }, (_, index) => (index * 8 + 7) & 255));
    secrets.set('a', secret);
    secrets.set('b', randomBytes(32));
    expect(secrets.get('a')).toEqual(secret);
    expect(secrets.get('c')).toBeUndefined();
  });

  it('stays within its capacity after a million families and keeps the latest ones', () => {
    const secrets = new FamilySecrets(1_000);
    const secret = randomBytes(32);
    for (let index = 0; index < 1_000_000; index++) {
      secrets.set(String(index), secret);
      if (secrets.size > 1_000) throw new Error(`${secrets.size} of them`);
    }
    for (let index = 999_500; index < 1_000_000; index++) expect(secrets.get(String(index))).toEqual(secret);
    expect(secrets.get('0')).toBeUndefined();
  });

  it('keeps a secret that is in use while many others are added', () => {
    const secrets = new FamilySecrets(100);
    const secret = randomBytes(32);
    secrets.set('in use', secret);
    for (let index = 0; index < 10_000; index++) {
      secrets.set(randomUUID(), randomBytes(32));
      if (index % 40 === 0) expect(secrets.get('in use')).toEqual(secret);
    }
  });
});
