import { MailTransport } from './mail.js';
import type { MailConnection } from './mail.js';
import { SmtpLine } from './smtp-line.js';
import { smtpOptions } from './smtp-session.js';

/** Hands mail to the server of `SMTP_URL`. Its query may have options of nodemailer, such as `?requireTLS=true`. */
export class SmtpTransport extends MailTransport {
  constructor(
    private readonly url: string,
    private readonly from: string,
  ) {
    super();
  }

  open(): MailConnection {
    return new SmtpLine(smtpOptions(this.url), this.from);
  }
}
