import { domainToASCII } from 'node:url';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Mail } from './mail-transport.js';

/** The sender if `MAIL_FROM` is not set. */
export const DEFAULT_FROM = 'Tandem <no-reply@localhost>';

/** One mailbox, without anything that could end a header line or an SMTP command. */
const MAILBOX = /^[^\p{Cc}\s<>@"(),:;[\\\]]+@[^\p{Cc}\s<>@"(),:;[\\\]]+$/u;

const ASCII = /^[\x20-\x7e]*$/;

/** A mailbox of a header. */
export interface Mailbox {
  /** The name without quotes. Empty if there is none. */
  readonly name: string;
  readonly address: string;
}

/** Whether mail can be sent to this address. Its domain may be internationalised (RFC 5890). */
export function isAddress(text: string): boolean {
  return text.length <= 254 && MAILBOX.test(text) && domainToASCII(domainOf(text)) !== '';
}

/** Whether every server accepts the address: non-ASCII characters before the `@` need SMTPUTF8 (RFC 6531). */
export function hasAsciiLocalPart(address: string): boolean {
  return ASCII.test(address.slice(0, address.lastIndexOf('@')));
}

/** The address for SMTP commands: an internationalised domain becomes Punycode. Requires {@link isAddress}. */
export function envelopeAddress(address: string): string {
  const domain = domainOf(address);
  // Leave an ASCII domain alone: `domainToASCII` would read `127.1` as an IP address.
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

/** The message (RFC 5322) with a text and an HTML part. nodemailer must not read files or URLs for it. */
export async function composeMessage(mail: Mail, from: string): Promise<Buffer> {
  const composer = new MailComposer({
    from: mailboxIn(from),
    to: { name: '', address: mail.to },
    subject: oneLine(mail.subject),
    text: mail.text,
    html: mail.html,
    messageId: `<${mail.messageId}>`,
    // RFC 3834: prevents automatic replies.
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
