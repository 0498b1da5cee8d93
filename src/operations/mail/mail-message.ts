import { domainToASCII } from 'node:url';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Mail } from './mail.js';

/** Whoever uses `MAIL_FROM` says it; this is for a mail server that nobody has named a sender for. */
export const DEFAULT_FROM = 'Tandem <no-reply@localhost>';

/** One mailbox and nothing that could end a line of a header or of the SMTP dialogue. */
const MAILBOX = /^[^\p{Cc}\s<>@"(),:;[\\\]]+@[^\p{Cc}\s<>@"(),:;[\\\]]+$/u;

const ASCII = /^[\x20-\x7e]*$/;

/** A mailbox as a header has it. */
export interface Mailbox {
  /** Without quotes; empty if there is none. */
  readonly name: string;
  readonly address: string;
}

/** Whether mail can be addressed to it. Its domain may be an internationalised one (RFC 5890). */
export function isAddress(text: string): boolean {
  return text.length <= 254 && MAILBOX.test(text) && domainToASCII(domainOf(text)) !== '';
}

/** Whether every server takes the address: others than ASCII before the `@` need SMTPUTF8 (RFC 6531). */
export function hasAsciiLocalPart(address: string): boolean {
  return ASCII.test(address.slice(0, address.lastIndexOf('@')));
}

/** The address as the SMTP dialogue needs it: an internationalised domain in Punycode. Of an {@link isAddress}. */
export function envelopeAddress(address: string): string {
  const domain = domainOf(address);
  // An ASCII domain stays as it is: `domainToASCII` would take `127.1` for an IP address.
  if (ASCII.test(domain)) return address;
  return `${address.slice(0, -domain.length)}${domainToASCII(domain)}`;
}

/** The parts of `Name <a@b.example>`, `"Name" <a@b.example>` or `a@b.example`. */
export function mailboxIn(text: string): Mailbox {
  const [, name, address] = /^(.*?)<([^<>]*)>\s*$/.exec(text) ?? [undefined, '', text.trim()];
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/.exec(name!.trim()) ?? [];
  return { name: quoted?.replaceAll(/\\(.)/g, '$1') ?? name!.trim(), address: address! };
}

/** The address in `Name <a@b.example>`. */
export function addressIn(mailbox: string): string {
  return mailboxIn(mailbox).address;
}

/** The message (RFC 5322): text and HTML, no part of it from anywhere but the mail itself. */
export async function composeMessage(mail: Mail, from: string): Promise<Buffer> {
  const composer = new MailComposer({
    from: mailboxIn(from),
    to: { name: '', address: mail.to },
    subject: oneLine(mail.subject),
    text: mail.text,
    html: mail.html,
    messageId: `<${mail.messageId}>`,
    // RFC 3834: so that no holiday reply comes back.
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').trim();
}
