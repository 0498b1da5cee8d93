import MailComposer from 'nodemailer/lib/mail-composer';
import type { Mail } from './mail.js';

/** Whoever uses `MAIL_FROM` says it; this is for a mail server that nobody has named a sender for. */
export const DEFAULT_FROM = 'Tandem <no-reply@localhost>';

/** One mailbox and nothing that could end a line of a header or of the SMTP dialogue. */
const MAILBOX = /^[^\p{Cc}\s<>@"(),:;[\\\]]+@[^\p{Cc}\s<>@"(),:;[\\\]]+$/u;

/** Whether mail can be addressed to it. */
export function isAddress(text: string): boolean {
  return text.length <= 254 && MAILBOX.test(text);
}

/** The address in `Name <a@b.example>`. */
export function addressIn(mailbox: string): string {
  return /<([^<>]*)>\s*$/.exec(mailbox)?.[1] ?? mailbox;
}

/** The message (RFC 5322): text and HTML, no part of it from anywhere but the mail itself. */
export async function composeMessage(mail: Mail, from: string): Promise<Buffer> {
  const composer = new MailComposer({
    from,
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

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').trim();
}
