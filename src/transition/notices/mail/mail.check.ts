import { Inject } from '@nestjs/common';
import { DoctorCheck, fail, messageOf, ok, warn } from '../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../admin/cli/doctor/doctor-check.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { smtpOptions, tryServer } from './smtp-session.js';

/** In milliseconds. Their sum must stay below the ten-second timeout of a check. */
const TIMEOUTS = { connectionTimeout: 3_000, greetingTimeout: 3_000, socketTimeout: 3_000 };

/** Whether the mail server of `SMTP_URL` can be used. Connects and authenticates; sends no mail. */
@DoctorCheck()
export class MailCheck implements Examination {
  constructor(@Inject(CONFIG) private readonly config: TransitionConfig) {}

  async examine(): Promise<Finding[]> {
    const { smtpUrl, mailFrom, dataDir } = this.config;
    if (smtpUrl === undefined) {
      const message = `SMTP_URL is not set: mails are written as files to ${dataDir}/mail`;
      return [warn('mail', message, 'set SMTP_URL and MAIL_FROM before you send notices to users')];
    }
    const findings: Finding[] = [];
    try {
      await tryServer({ ...smtpOptions(smtpUrl), ...TIMEOUTS });
      findings.push(ok('mail', 'the mail server accepts our connection'));
    } catch (error) {
      const advice = 'check SMTP_URL, its name and password, and the firewall';
      findings.push(fail('mail', messageOf(error), advice));
    }
    if (mailFrom === undefined)
      findings.push(
        warn('mail_from', 'MAIL_FROM is not set: servers refuse mail without a real sender', 'set MAIL_FROM'),
      );
    return findings;
  }
}
