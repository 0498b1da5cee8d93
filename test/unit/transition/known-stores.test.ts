import { describe, expect, it } from 'vitest';
import { signSid } from '../../../src/transition/sessions/stores/express-session.codec.js';
import {
  knownCookieIn,
  storeOfCookie,
  storeOfTable,
} from '../../../src/transition/sessions/recognition/known-stores.js';

describe('storeOfTable', () => {
  it.each([
    ['connect-pg-simple', ['sid', 'sess', 'expire']],
    ['connect-session-knex', ['sid', 'sess', 'expired']],
    ['connect-session-sequelize', ['sid', 'expires', 'data', 'createdAt', 'updatedAt']],
    ['Auth.js with database sessions', ['id', 'sessionToken', 'userId', 'expires']],
    ['better-auth', ['id', 'expiresAt', 'token', 'createdAt', 'ipAddress', 'userAgent', 'userId']],
    ['better-auth', ['id', 'expires_at', 'token', 'user_id']],
    ['Django', ['session_key', 'session_data', 'expire_date']],
    ['Laravel', ['id', 'user_id', 'ip_address', 'user_agent', 'payload', 'last_activity']],
    ['Rails', ['id', 'session_id', 'data', 'created_at', 'updated_at']],
  ])('recognises %s', (name, columns) => {
    expect(storeOfTable(columns)?.name).toBe(name);
  });

  it('recognises nothing in other tables', () => {
    for (const columns of [[], ['id'], ['sid'], ['id', 'user_id', 'started_at', 'ended_at']]) {
      expect(storeOfTable(columns)).toBeUndefined();
    }
  });
});

describe('storeOfCookie', () => {
  it.each([
    ['express-session', 'shop', encodeURIComponent(signSid('abc', 'a secret'))],
    ['express-session', 'connect.sid', 'x'],
    ['better-auth', '__Secure-better-auth.session_token', 'x.y'],
    ['Auth.js with database sessions', 'authjs.session-token', 'x'],
    ['PHP', 'PHPSESSID', 'x'],
    ['Django', 'sessionid', 'a'.repeat(32)],
    ['Flask or Starlette', 'session', 'eyJ1Ijo0fQ.Zm9v.bar-_9'],
    ['Rails', '_shop_session', 'x'],
    ['Laravel', 'laravel_session', 'x'],
    ['better-auth', 'shop', `${'aB3'.repeat(10)}aB.${'A'.repeat(43)}%3D`],
    ['Auth.js with sessions in the cookie', 'authjs.session-token', 'eyJhbGciOiJkaXIifQ..aXY.dGV4dA.dGFn'],
    ['Laravel', 'shop_session', 'eyJpdiI6Im5vbmNlIiwidmFsdWUiOiJ4In0%3D'],
    ['Rails', 'shop', `dGV4dA%3D%3D--${'aXY'.repeat(5)}%3D--${'dGFn'.repeat(5)}`],
    ['Rails', 'shop', `BAh7--${'0a'.repeat(20)}`],
    ['iron-session', 'shop', 'Fe26.2*1*a*b*c*d*e*f~2'],
  ])('recognises %s', (name, cookie, value) => {
    expect(storeOfCookie(cookie, value)?.name).toBe(name);
  });

  it('recognises nothing in other cookies', () => {
    expect(storeOfCookie('session_id', 'x')).toBeUndefined();
    expect(storeOfCookie('session_id')).toBeUndefined();
    expect(storeOfCookie('session')).toBeUndefined();
    expect(storeOfCookie('theme', '%')).toBeUndefined();
    expect(storeOfCookie('theme', 'dark--blue')).toBeUndefined();
  });
});

describe('knownCookieIn', () => {
  const signed = encodeURIComponent(signSid('abc', 'a secret'));

  it('prefers the most specific form in a header, wherever it is', () => {
    const known = knownCookieIn(`PHPSESSID=x; sessionid=${'a'.repeat(32)}; shop=${signed}`, 'session_id');
    expect(known).toMatchObject({ name: 'shop', store: { name: 'express-session' } });
  });

  it('prefers the cookie of the settings to another one of the same form', () => {
    expect(knownCookieIn(`a=${signed}; mine=${signed}`, 'mine')?.name).toBe('mine');
  });

  it('takes a value without a name for the cookie of the settings', () => {
    expect(knownCookieIn(signed, 'mine')).toMatchObject({ name: 'mine', store: { name: 'express-session' } });
    expect(knownCookieIn('nothing', 'mine')).toBeUndefined();
  });
});
