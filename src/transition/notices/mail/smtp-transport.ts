import { Readable } from 'node:stream';
import type SMTPConnection from 'nodemailer/lib/smtp-connection';
import { addressIn, composeMessage, envelopeAddress, hasAsciiLocalPart, isAddress } from './mail-message.js';
import { MailTransport } from './mail-transport.js';
import type { Delivery, HandOver, Mail, MailConnection } from './mail-transport.js';
import { offersSmtpUtf8, openSession, smtpOptions } from './smtp-session.js';
import type { SmtpOptions } from './smtp-session.js';

/** Mails over one connection. Servers close a connection that sends too many. */
const MAILS_PER_CONNECTION = 100;

interface SmtpError {
  readonly code?: string;
  readonly responseCode?: number;
  readonly command?: string;
}

/** Sends mail to the server of `SMTP_URL`. The query of the URL may hold options of nodemailer, such as `?requireTLS=true`. */
export class SmtpTransport extends MailTransport {
  constructor(
    private readonly url: string,
    private readonly from: string,
  ) {
    super();
  }

  open(): MailConnection {
    return new SmtpMailConnection(smtpOptions(this.url), this.from);
  }
}

/** Uses one SMTP connection at a time, and a new one after any failure. */
class SmtpMailConnection implements MailConnection {
  private connection: SMTPConnection | undefined;
  private sent = 0;
  private abandoned = false;
  /** Stops waiting for the server's answer. */
  private fail: ((error: Error) => void) | undefined;

  constructor(
    private readonly options: SmtpOptions,
    private readonly from: string,
  ) {}

  async send(mail: Mail, handOver: HandOver): Promise<Delivery> {
    if (!isAddress(mail.to)) return { outcome: 'refused', reply: 'address' };
    let connection: SMTPConnection;
    try {
      connection = await this.connected();
    } catch (cause) {
      return { outcome: 'unreachable', reply: replyOf(cause), cause };
    }
    if (!hasAsciiLocalPart(mail.to) && !offersSmtpUtf8(connection))
      return { outcome: 'refused', reply: 'SMTPUTF8' };
    const delivery = await this.submit(connection, mail, handOver);
    this.sent += 1;
    if (delivery.outcome === 'accepted' && this.sent >= MAILS_PER_CONNECTION) this.close();
    return delivery;
  }

  close(): void {
    this.connection?.quit();
    this.connection = undefined;
  }

  abandon(): void {
    this.abandoned = true;
    this.fail?.(new Error('abandoned'));
    this.drop();
  }

  private drop(): void {
    this.connection?.close();
    this.connection = undefined;
  }

  private async connected(): Promise<SMTPConnection> {
    if (this.connection !== undefined) return this.connection;
    const connection = await openSession(this.options);
    // If an idle connection breaks, the next mail opens another one.
    const forget = () => {
      if (this.connection === connection) this.connection = undefined;
    };
    connection.on('error', forget);
    connection.on('end', forget);
    this.connection = connection;
    this.sent = 0;
    return connection;
  }

  /**
   * Streams the message. nodemailer writes the last line, which lets the server accept the message (RFC 5321, section 4.1.1.4), when the
   * stream ends. So the stream ends only after the release.
   */
  private async submit(connection: SMTPConnection, mail: Mail, handOver: HandOver): Promise<Delivery> {
    const content = await composeMessage(mail, this.from);
    let handing = Promise.resolve();
    let released = false;
    async function* message() {
      yield content;
      handing = handOver(() => (released = !stream.destroyed));
      await handing;
      if (!released) throw new Error('the mail was not released');
    }
    // The smallest buffer: the generator must not run ahead of what is written.
    const stream = Readable.from(message(), { objectMode: false, highWaterMark: 1 });
    const envelope = {
      from: envelopeAddress(addressIn(this.from)),
      to: envelopeAddress(mail.to),
      size: content.length,
    };
    const failure = await new Promise<unknown>((resolve) => {
      this.fail = resolve;
      stream.on('error', resolve);
      connection.send(envelope, stream, (error) => resolve(error ?? undefined));
      if (this.abandoned) resolve(new Error('abandoned'));
    });
    this.fail = undefined;
    if (failure === undefined) return { outcome: 'accepted' };
    stream.destroy();
    this.drop();
    // Throws what `handOver` threw.
    await handing;
    return judge(failure, released);
  }
}

/** `released`: the server may have the whole message, so only its own refusal proves that it did not accept it. */
function judge(cause: unknown, released: boolean): Delivery {
  const { responseCode, command, code } = cause as SmtpError;
  const reply = replyOf(cause);
  if (responseCode !== undefined && responseCode >= 400) {
    // The server refuses the sender or closes the connection: that says nothing about the recipient.
    if (!released && (command === 'MAIL FROM' || responseCode === 421))
      return { outcome: 'unreachable', reply, cause };
    return { outcome: responseCode >= 500 ? 'refused' : 'deferred', reply, cause };
  }
  if (released) return { outcome: 'unknown', reply, cause };
  const isOurFault = code === 'EENVELOPE' || code === 'EMESSAGE';
  return { outcome: isOurFault ? 'refused' : 'unreachable', reply, cause };
}

function replyOf(error: unknown): string {
  const { responseCode, code } = error as SmtpError;
  return String(responseCode ?? code ?? 'error');
}
