import { describe, expect, it } from 'vitest';
import { deriveBytes, deriveKey } from '../../../../src/common/crypto/derived-key.js';

// Installations hold tokens, MACs and seals that were made with these keys.
describe('deriveKey', () => {
  it('derives the key and its name by HKDF with SHA-256, no salt and the purpose as info', () => {
    const { key, name } = deriveKey('the secret of today', 'tandem refresh token');
    expect(key.toString('hex')).toBe('599b64e800faa719fae5d5eb0f8bdafef03e71647db7f6d5195d012111462d4b');
    expect(name).toBe('7d027c9e8df4');
  });

  it('derives other bytes for another purpose or secret', () => {
    const bytes = deriveBytes('the secret of today', 'one', 16);
    expect(bytes).toHaveLength(16);
    expect(deriveBytes('the secret of today', 'two', 16)).not.toEqual(bytes);
    expect(deriveBytes('the secret of tomorrow', 'one', 16)).not.toEqual(bytes);
  });
});
