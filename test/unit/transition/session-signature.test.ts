import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signSid, unsignSid } from '../../../src/transition/sessions/stores/express-session.codec.js';

interface CookieSignature {
  sign(value: string, secret: string): string;
  unsign(value: string, secret: string): string | false;
}

/** The package that express-session signs with. */
const theirs = createRequire(createRequire(import.meta.url).resolve('express-session'))(
  'cookie-signature',
) as CookieSignature;

describe('the signature of a session cookie', () => {
  it('is the one of express-session, for any id and secret', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (sid, secret) => {
        const value = signSid(sid, secret);
        expect(value).toBe(`s:${theirs.sign(sid, secret)}`);
        expect(unsignSid(value, secret)).toBe(sid);
        expect(theirs.unsign(value.slice(2), secret)).toBe(sid);
      }),
    );
  });

  it('is valid for one secret only', () => {
    expect(unsignSid(signSid('abc', 'one'), 'another')).toBeUndefined();
  });

  it('has one spelling, and none for an empty id', () => {
    const value = signSid('abc', 'secret');
    const others = [
      '',
      's:',
      's:.',
      'abc',
      value.slice(2),
      value.slice(0, -1),
      `${value}=`,
      `${value} `,
      ` ${value}`,
      value.toUpperCase(),
      `j:${value.slice(2)}`,
      value.replace('abc', 'abd'),
      value.replace('abc.', 'abc..'),
      signSid('', 'secret'),
    ];
    for (const other of others) expect([other, unsignSid(other, 'secret')]).toEqual([other, undefined]);
  });

  it('is invalid after any change', () => {
    const value = signSid('Zk3pQ9-_xy', 'secret');
    fc.assert(
      fc.property(fc.nat(value.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, char) => {
        fc.pre(value[at] !== char);
        expect(unsignSid(value.slice(0, at) + char + value.slice(at + 1), 'secret')).toBeUndefined();
      }),
    );
  });
});
