import { describe, expect, it } from 'vitest';
import { checkOptions } from '../../../packages/verifier/src/options.js';

const check = (issuer: string) => () => checkOptions({ issuer, audience: 'api' });

describe('the options of the verifier', () => {
  it.each([
    'https://auth.example.com',
    'https://[2001:db8::1]',
    'http://localhost:5000',
    'http://auth.test',
    'http://tandem:5000',
    'http://127.8.0.1:5000',
    'http://[::1]:5000',
    'http://[0:0:0:0:0:0:0:1]',
    'http://[::ffff:127.8.0.1]:5000',
  ])('accept the issuer %s', (issuer) => {
    expect(check(issuer)).not.toThrow();
  });

  it.each([
    'http://auth.example.com',
    'http://10.0.0.1',
    'http://[2001:db8::1]',
    'http://[::2]',
    'http://[1::1]',
    'http://[fd00::1]',
    'http://[fe80::1]',
    'http://[::ffff:10.0.0.1]',
    'http://[::ffff:203.0.113.1]',
    'http://[::127.0.0.1]',
    'http://[64:ff9b::127.0.0.1]',
  ])('refuse the issuer %s, which plain http could reach over a network', (issuer) => {
    expect(check(issuer)).toThrow('issuer must begin with https://');
  });
});
