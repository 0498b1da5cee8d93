import { describe, expect, it } from 'vitest';
import {
  isExpressSession,
  sessionIn,
} from '../../../src/transition/sessions/stores/redis/redis-session.codec.js';
import { isRecorded, noteOf } from '../../../src/transition/sessions/stores/remote/session-note.js';

const userIn = (text: string, path = 'userId') => sessionIn(text, path.split('.')).user;

describe('sessionIn', () => {
  it('reads the user and the cookie that connect-redis wrote', () => {
    const cookie = { originalMaxAge: 60_000, expires: '2026-11-30T12:00:00.000Z', httpOnly: true, path: '/' };
    expect(sessionIn(JSON.stringify({ cookie, userId: '4711' }), ['userId'])).toEqual({
      user: '4711',
      cookie: { originalMaxAge: 60_000, httpOnly: true, secure: false, path: '/' },
    });
  });

  it('reads a user at a path, and a whole number as text', () => {
    expect(userIn('{"passport":{"user":"a"}}', 'passport.user')).toBe('a');
    expect(userIn('{"userId":4711}')).toBe('4711');
  });

  it.each([
    '',
    ' ',
    '{',
    'null',
    '7',
    '[]',
    '"userId"',
    '{"userId":null}',
    '{"userId":true}',
    '{"userId":""}',
    '{"userId":1.5}',
    '{"userId":1e300}',
    '{"userId":9007199254740993}',
    '{"userId":{"toString":1}}',
    '{"userId":["a"]}',
    '{"userId":"a\\u0000"}',
    '{"userId":"\\ud800"}',
    '\u001f\u008b\b\u0000',
    's:{"userId":"a"}',
    '{"__proto__":{"userId":"a"}}',
  ])('names nobody in %j', (text) => {
    expect(userIn(text)).toBeUndefined();
  });

  it('names nobody in a value that is too long or too deep', () => {
    expect(userIn(`{"userId":"${'x'.repeat(257)}"}`)).toBeUndefined();
    expect(userIn('['.repeat(200_000))).toBeUndefined();
  });

  it('names nobody at a path that leaves the data of the session', () => {
    expect(userIn('{"userId":"abc"}', 'userId.length')).toBeUndefined();
    expect(userIn('{}', 'constructor.name')).toBeUndefined();
  });
});

describe('isExpressSession', () => {
  it('is true only for JSON with a cookie', () => {
    expect(isExpressSession('{"cookie":{"path":"/"}}')).toBe(true);
    for (const text of ['{}', '{"cookie":null}', '{"cookie":"x"}', 'x', '']) {
      expect(isExpressSession(text)).toBe(false);
    }
  });
});

describe('a record of a session', () => {
  const session = { sid: 's', user: '4711', expiresAt: 1_000_000, cookie: { originalMaxAge: 600_000 } };
  const note = noteOf(session, ['passport', 'user']);

  it('holds the user at its path and the attributes of the cookie, and nothing else', () => {
    expect(JSON.parse(note.text)).toEqual({
      passport: { user: '4711' },
      cookie: { originalMaxAge: 600_000 },
    });
    expect(JSON.parse(noteOf({ ...session, user: undefined }, ['userId']).text)).toEqual({
      cookie: { originalMaxAge: 600_000 },
    });
  });

  it.each([
    [0, true],
    [30_000, true],
    [60_000, false],
    [-1_000, true],
    [-10_000, false],
  ])('that expires %d ms earlier than the session is enough: %s', (earlier, enough) => {
    expect(isRecorded(note, { text: note.text, expiresAt: note.expiresAt - earlier })).toBe(enough);
  });

  it('with another user is not enough', () => {
    expect(isRecorded(note, { text: '{}', expiresAt: note.expiresAt })).toBe(false);
    expect(isRecorded(note, { text: null, expiresAt: null })).toBe(false);
  });
});
