import type { Mail } from './mail/mail-transport.js';
import { fillTemplate } from './notice-template.js';

/** The data of one mail of a notice. */
export interface NoticeLetter {
  readonly noticeId: string;
  readonly userId: string;
  readonly username: string;
  readonly email: string;
  readonly userAgent: string;
  readonly lastSeen: Date;
  readonly subject: string;
  readonly text: string;
  readonly sunsetAt: Date | null;
  readonly attempts: number;
}

/** The mail. The same letter always makes the same mail. `domain` is the right side of its Message-ID. */
export function mailOf(letter: NoticeLetter, guideUrl: string, domain: string): Mail {
  const values = {
    username: letter.username,
    sunset_date: letter.sunsetAt === null ? 'a date to be announced' : longDate(letter.sunsetAt),
    user_agent: userAgentOf(letter.userAgent),
    last_seen: longDate(letter.lastSeen),
    guide_url: guideUrl,
  };
  const text = fillTemplate(letter.text, values);
  return {
    to: letter.email,
    subject: fillTemplate(letter.subject, values),
    text,
    html: htmlOf(text, guideUrl),
    messageId: `${letter.noticeId}.${letter.userId}@${domain}`,
  };
}

/** `24 November 2026`, in UTC: nobody can confuse day and month. */
export function longDate(date: Date): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(date);
}

/** Removes control characters, because a client may send any user agent. */
function userAgentOf(text: string): string {
  const shown = text.replaceAll(/\p{C}+/gu, ' ').trim();
  return shown === '' || shown === 'none' ? 'an unknown program' : shown;
}

/** Converts the text to HTML. Only the guide's URL becomes a link. */
function htmlOf(text: string, guideUrl: string): string {
  const url = escapeHtml(guideUrl);
  const paragraphs = escapeHtml(text)
    .split(/\n{2,}/)
    .map((paragraph) => `<p>${paragraph.replaceAll('\n', '<br>\n')}</p>`)
    .join('\n')
    .replaceAll(url, `<a href="${url}">${url}</a>`);
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Notice</title></head>\n<body>\n${paragraphs}\n</body></html>\n`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replaceAll(/[&<>"']/g, (character) => entities[character]!);
}
