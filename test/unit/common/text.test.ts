import { describe, expect, it } from 'vitest';
import { before, content, unsealed } from '../../../src/audit/sealing/audit-finding.js';
import { agree, counted, containsSecret, maskSecrets } from '../../../src/common/text.js';
import { PasswordPolicy } from '../../../src/users/password-policy.js';

describe('a count in a message', () => {
  it.each([
    [0, '0 logins have'],
    [1, '1 login has'],
    [2, '2 logins have'],
  ])('of %i agrees with its noun and verb', (n, text) => {
    expect(`${counted(n, 'login')} ${agree(n, 'has', 'have')}`).toBe(text);
    expect(counted(n, 'entry', 'entries')).toBe(n === 1 ? '1 entry' : `${n} entries`);
  });

  it('of one event, character or column is singular', () => {
    const seal = { id: '1', firstId: '1', lastId: '9', count: 1, sealedAt: '0' } as never;
    const messages = [content(seal, 0), content(seal, 1), before('1', '1', 1), unsealed(1, undefined)].map(
      ({ message }) => message,
    );
    messages.push(new PasswordPolicy({ passwordMinLength: 1 }).weakness('')!);
    for (const message of messages) expect(message).not.toMatch(/\b1 (?!was|is|has)(?:\w+s\b|are|were|have)/);
  });
});

const REFRESH = `tandem_rt_${'aB3-_'.repeat(14)}xy`;
const CLIENT = `tandem_cs_${'aB3-_'.repeat(8)}xyz`;
const JWT = `eyJhbGciOiJSUzI1NiJ9.${'aB3-_'.repeat(30)}.${'c'.repeat(342)}`;
const COOKIE = `s:${'d'.repeat(32)}.${'e/+'.repeat(14)}f`;

describe('stored client text', () => {
  it.each([
    REFRESH,
    CLIENT,
    JWT,
    COOKIE,
    encodeURIComponent(COOKIE),
    `Bearer ${'f'.repeat(20)}`,
    `basic ${'Zm9v'.repeat(5)}`,
  ])('contains no secret at any position: %s', (secret) => {
    for (const text of [secret, `app/1.0 (${secret})`, `a=${secret};b`, `${'x '.repeat(120)}${secret} end`]) {
      const kept = maskSecrets(text, 256);
      expect(kept).not.toContain(secret.slice(-16));
      expect(kept).not.toContain(secret.slice(10, 26));
      expect(kept).toContain('[secret]');
      expect(kept.length).toBeLessThanOrEqual(256);
    }
    expect(containsSecret(secret)).toBe(true);
  });

  it('contains no beginning of a truncated secret', () => {
    for (const secret of [REFRESH, CLIENT]) {
      for (let before = 230; before < 260; before++)
        expect(maskSecrets(`${' '.repeat(before)}${secret}`, 256)).not.toContain(secret.slice(0, 20));
    }
  });

  it.each([
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
    'bot/1.0 (+https://bots.example.com/about.the.bot/with-a-long-path-of-many-characters)',
    'Visual Basic 6.0',
    '7c1f9a52-0b1d-4a57-8a8f-1d6a0b8c9d10',
    '',
  ])('is unchanged without a secret: %s', (text) => {
    expect(maskSecrets(text, 256)).toBe(text);
    expect(containsSecret(text)).toBe(false);
  });

  it('is cut to the given length', () => {
    expect(maskSecrets('x'.repeat(10_000), 256)).toHaveLength(256);
  });
});
