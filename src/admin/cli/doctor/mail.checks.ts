import type { Config } from '../../../config/config.js';
import { smtpOptions, tryServer } from '../../../operations/mail/smtp-session.js';
import { examined, ok, warn } from './doctor-check.js';
import type { Finding } from './doctor-check.js';

/** Connects to the mail server, and logs in there; sends nothing. */
export async function mailChecks({ smtpUrl, mailFrom, dataDir }: Config): Promise<Finding[]> {
  if (smtpUrl === undefined) {
    const where = `mail is written as files under ${dataDir}/mail`;
    return [
      warn(
        'mail',
        `no SMTP_URL: ${where}`,
        'set SMTP_URL and MAIL_FROM before users are to be told anything',
      ),
    ];
  }
  const findings = await examined(
    'mail',
    'check SMTP_URL, its name and password, and the firewall',
    async () => {
      await tryServer({ ...smtpOptions(smtpUrl), connectionTimeout: 8_000, greetingTimeout: 8_000 });
      return [ok('mail', 'the mail server takes us')];
    },
  );
  if (mailFrom === undefined)
    findings.push(warn('mail_from', 'no MAIL_FROM: servers refuse mail of nobody', 'set MAIL_FROM'));
  return findings;
}
