import { describe, expect, it } from 'vitest';
import { settingBehind } from '../../../../src/transition/report/refused/setting-cause.js';
import type { SessionFacts } from '../../../../src/transition/report/refused/setting-cause.js';
import { textOf } from '../../../../src/transition/report/refused/setting-cause-text.js';

const SETTINGS = { sessionCookieName: 'connect.sid', sessionUserKey: 'passport.user' };

const LIVE: SessionFacts = {
  stored: true,
  known: false,
  live: true,
  name: '7',
  userId: 'a user',
  disabled: false,
  signsIn: true,
};

describe('the setting behind a refused session with a valid signature', () => {
  it.each<[string | undefined, string, Partial<SessionFacts>]>([
    ['unknown_user', 'the user is unknown', { userId: null, signsIn: false }],
    ['no_user', 'the session names nobody', { name: null, userId: null, signsIn: false }],
    [
      'other_table',
      'the table has no such session',
      { stored: false, live: false, name: null, userId: null },
    ],
    ['administrator', 'the product began a session of an administrator', { signsIn: false }],
    [undefined, 'the session is fine', {}],
    [undefined, 'the user is disabled', { disabled: true }],
    [undefined, 'an administrator is disabled', { disabled: true, signsIn: false }],
    [undefined, 'the session is over', { live: false }],
    [undefined, 'the session of an unknown user is over', { live: false, userId: null, signsIn: false }],
    [undefined, 'a session that names nobody is over', { live: false, name: null, userId: null }],
    [undefined, 'Tandem knew the deleted session', { stored: false, known: true, live: false, name: null }],
  ])('is %s if %s', (cause, _what, facts) => {
    expect(settingBehind({ ...LIVE, ...facts })).toBe(cause);
  });
});

describe('the likely cause in words', () => {
  it('names the setting and its value if the value is no secret', () => {
    expect(textOf('unknown_user', 1, 0, SETTINGS).likelyCause).toContain('SESSION_USER_KEY (passport.user)');
    expect(textOf('no_user', 1, 0, SETTINGS).likelyCause).toContain('SESSION_USER_KEY (passport.user)');
    expect(textOf('other_cookie', 1, 0, SETTINGS).likelyCause).toContain('connect.sid');
    expect(textOf('other_secret', 1, 0, SETTINGS).likelyCause).toContain('SESSION_SECRET_PREVIOUS');
  });

  it('suspects the table only while fewer requests are accepted than refused for it', () => {
    expect(textOf('other_table', 5, 5, SETTINGS).advice).toContain(
      'Check that DATABASE_URL and SESSION_TABLE',
    );
    expect(textOf('other_table', 5, 6, SETTINGS).likelyCause).toContain('probably ended');
  });
});
