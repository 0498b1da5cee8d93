import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mailOf } from '../../../../src/transition/notices/notice-mail.js';
import {
  DEFAULT_SUBJECT,
  DEFAULT_TEXT,
  fillTemplate,
  templateErrors,
} from '../../../../src/transition/notices/notice-template.js';

const VALUES = {
  username: 'ada',
  sunset_date: 'on 1 March 2031',
  user_agent: 'Client/1',
  last_seen: '1 January 2031',
  guide_url: 'https://api.example.com/transition/guide',
};

const GUIDE = '../../../../src/transition/notices/pages/guide.html';

const LETTER = {
  noticeId: 'b3a1a7a0-0000-4000-8000-000000000001',
  userId: 'b3a1a7a0-0000-4000-8000-000000000002',
  username: 'ada',
  email: 'ada@example.com',
  userAgent: 'Client/1',
  lastSeen: new Date('2031-01-01T12:00:00Z'),
  subject: DEFAULT_SUBJECT,
  text: DEFAULT_TEXT,
  sunsetAt: new Date('2031-03-01T00:00:00Z'),
  attempts: 1,
};

describe('a template', () => {
  it.each([DEFAULT_SUBJECT, DEFAULT_TEXT, '{{username}}{{ sunset_date }}', 'no fields, one { brace }', ''])(
    'may be %j',
    (template) => expect(templateErrors(template, 'text')).toEqual([]),
  );

  it.each(['{{constructor}}', '{{ }}', '{{username}', 'username}}', '{{user{{name}}}}'])(
    'may not be %j',
    (template) => expect(templateErrors(template, 'text')).toMatchObject([{ field: 'text' }]),
  );

  it('is filled in once, so a value that looks like a field stays as it is', () => {
    expect(fillTemplate('{{username}}, {{guide_url}}', { ...VALUES, username: '{{guide_url}} $& $1' })).toBe(
      `{{guide_url}} $& $1, ${VALUES.guide_url}`,
    );
  });
});

describe('a mail', () => {
  const mail = mailOf(LETTER, VALUES.guide_url, 'api.example.com');

  it('is the same each time it is made', () => {
    expect(mailOf({ ...LETTER, attempts: 7 }, VALUES.guide_url, 'api.example.com')).toEqual(mail);
    expect(mail.messageId).toBe(`${LETTER.noticeId}.${LETTER.userId}@api.example.com`);
  });

  it('says the date, the program and what to do', () => {
    for (const part of [
      'on 1 March 2031',
      '1 January 2031',
      'Client/1',
      VALUES.guide_url,
      'Sign out',
      'Sign in again',
    ]) {
      expect(mail.text).toContain(part);
    }
    expect(mail.subject).toContain('1 March 2031');
  });

  it.each([
    ['the subject of the mail', DEFAULT_SUBJECT],
    ['the mail', DEFAULT_TEXT],
    ['the built-in page', readFileSync(new URL(GUIDE, import.meta.url), 'utf8')],
  ])('speaks to people who are no programmers: %s', (_, text) => {
    const prose = text.replaceAll(/\{\{[^}]*\}\}|<[^>]*>/g, '');
    expect(prose).not.toMatch(
      /\b(tokens?|sessions?|API|HTTP|POST|JWT|headers?|endpoint|log ?in|authenticat\w*)\b/i,
    );
    expect(prose).toMatch(/sign in again/i);
  });

  it('escapes all values in the HTML', () => {
    const { html } = mailOf({ ...LETTER, username: '<img src=x>"\'&' }, VALUES.guide_url, 'x');
    expect(html).toContain('&lt;img src=x&gt;&quot;&#39;&amp;');
    expect(html.match(/<a /g)).toHaveLength(1);
  });

  it.each(['', 'none', '\u202e\u0007'])('describes the user agent %j as unknown', (userAgent) => {
    expect(mailOf({ ...LETTER, userAgent }, '', 'x').text).toContain('an unknown program');
  });
});
