import { describe, expect, it } from 'vitest';
import { smtpOptions } from '../../../../src/transition/notices/mail/smtp-session.js';

describe('SMTP_URL', () => {
  it.each([
    ['smtp://u:p@mail.example.com', true],
    ['smtps://u:p@mail.example.com', true],
    ['smtp://u:p@192.0.2.1:587', true],
    ['smtp://u:p@mail.example.com?requireTLS=false', false],
    ['smtp://u:p@127.0.0.1:25', false],
    ['smtp://u:p@localhost', false],
    ['smtp://u:p@[::1]:25', false],
    ['smtp://mail.example.com', false],
    ['smtp://mail.example.com?requireTLS=true', true],
  ])('%s requires TLS: %s', (url, requireTLS) => {
    expect(smtpOptions(url)).toMatchObject({ requireTLS });
  });
});
