import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import {
  addressIn,
  composeMessage,
  envelopeAddress,
  isAddress,
} from '../../../../src/transition/notices/mail/mail-message.js';

const MAIL = {
  to: 'ada@example.com',
  subject: 'A subject',
  text: 'Text with a long line '.repeat(30) + '\n.\nand a dot',
  html: '<p>Text</p>',
  messageId: 'one.two@example.com',
};

describe('a message', () => {
  it('has a text and an HTML part, its sender, and marks itself as automatic', async () => {
    const parsed = await simpleParser(await composeMessage(MAIL, 'Tandem <no-reply@example.com>'));
    expect(parsed.text?.trim()).toBe(MAIL.text);
    expect(parsed.html).toContain('<p>Text</p>');
    expect(parsed.from?.value).toEqual([{ name: 'Tandem', address: 'no-reply@example.com' }]);
    expect(parsed.headers.get('auto-submitted')).toBe('auto-generated');
    expect(parsed.messageId).toBe('<one.two@example.com>');
  });

  it('allows no header injection through its subject', async () => {
    const subject = 'Hello\r\nBcc: all@example.com\r\n\r\nbody';
    const raw = (await composeMessage({ ...MAIL, subject }, 'a@example.com')).toString();
    const parsed = await simpleParser(raw);
    expect(parsed.bcc).toBeUndefined();
    expect(parsed.subject).toBe('Hello Bcc: all@example.com body');
    expect(raw).not.toMatch(/^Bcc:/m);
  });
});

describe('an address', () => {
  it.each(['a@example.com', 'a.b+c@sub.example.com', 'ü@example.com', "o'neil@example.com"])(
    'accepts %s',
    (text) => expect(isAddress(text)).toBe(true),
  );

  it.each([
    '',
    'a',
    'a@',
    '@example.com',
    'a b@example.com',
    'a@example.com, b@example.com',
    'a@example.com\r\nDATA',
    '<a@example.com>',
    'a@b@example.com',
    `${'a'.repeat(250)}@example.com`,
    'a@a..\u{fdd0}',
  ])('rejects %j', (text) => expect(isAddress(text)).toBe(false));

  it('is extracted from a mailbox with a name', () => {
    expect(addressIn('Tandem <no-reply@example.com>')).toBe('no-reply@example.com');
    expect(addressIn('no-reply@example.com')).toBe('no-reply@example.com');
  });

  it('has its domain encoded for SMTP commands, in any spelling', () => {
    expect(envelopeAddress('a@bücher.example')).toBe('a@xn--bcher-kva.example');
    expect(envelopeAddress('a@BÜCHER.example')).toBe('a@xn--bcher-kva.example');
    expect(envelopeAddress('a@bücher。example')).toBe('a@xn--bcher-kva.example');
    expect(envelopeAddress('a@Example.com')).toBe('a@Example.com');
  });
});
