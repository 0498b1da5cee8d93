import { describe, expect, it } from 'vitest';
import { holdsSecret, keptText } from '../../../src/common/client-text.js';

const REFRESH = `tandem_rt_${'aB3-_'.repeat(14)}xy`;
const CLIENT = `tandem_cs_${'aB3-_'.repeat(8)}xyz`;
const JWT = `eyJhbGciOiJSUzI1NiJ9.${'aB3-_'.repeat(30)}.${'c'.repeat(342)}`;
const COOKIE = `s:${'d'.repeat(32)}.${'e/+'.repeat(14)}f`;

describe('text of a client that is kept', () => {
  it.each([
    REFRESH,
    CLIENT,
    JWT,
    COOKIE,
    encodeURIComponent(COOKIE),
    `Bearer ${'f'.repeat(20)}`,
    `basic ${'Zm9v'.repeat(5)}`,
  ])('holds no secret, wherever it stands: %s', (secret) => {
    for (const text of [secret, `app/1.0 (${secret})`, `a=${secret};b`, `${'x '.repeat(120)}${secret} end`]) {
      const kept = keptText(text, 256);
      expect(kept).not.toContain(secret.slice(-16));
      expect(kept).not.toContain(secret.slice(10, 26));
      expect(kept).toContain('[secret]');
      expect(kept.length).toBeLessThanOrEqual(256);
    }
    expect(holdsSecret(secret)).toBe(true);
  });

  it('holds no beginning of a secret that was cut off', () => {
    for (const secret of [REFRESH, CLIENT]) {
      for (let before = 230; before < 260; before++)
        expect(keptText(`${' '.repeat(before)}${secret}`, 256)).not.toContain(secret.slice(0, 20));
    }
  });

  it.each([
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
    'bot/1.0 (+https://bots.example.com/about.the.bot/with-a-long-path-of-many-characters)',
    'Visual Basic 6.0',
    '7c1f9a52-0b1d-4a57-8a8f-1d6a0b8c9d10',
    '',
  ])('is otherwise as it was: %s', (text) => {
    expect(keptText(text, 256)).toBe(text);
    expect(holdsSecret(text)).toBe(false);
  });

  it('is at most so long', () => {
    expect(keptText('x'.repeat(10_000), 256)).toHaveLength(256);
  });
});
