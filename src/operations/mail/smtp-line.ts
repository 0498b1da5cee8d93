import { Readable } from 'node:stream';
import { parseConnectionUrl } from 'nodemailer/lib/shared';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { addressIn, composeMessage, isAddress } from './mail-message.js';
import type { Delivery, Mail, MailConnection } from './mail.js';

/** Mails over one connection: servers end one that goes on for ever. */
const MAILS = 100;

/** Milliseconds. The last one is what RFC 5321, section 4.5.3.2.6, wants: asking again too early is how mail comes twice. */
const TIME_OUTS = { connectionTimeout: 15_000, greetingTimeout: 15_000, socketTimeout: 600_000 };

type Options = ConstructorParameters<typeof SMTPConnection>[0] & {
  readonly auth?: { readonly user?: string; readonly pass?: string };
};

interface SmtpError {
  readonly code?: string;
  readonly responseCode?: number;
  readonly command?: string;
}

/** What `SMTP_URL` says, bounded in time. */
export function smtpOptions(url: string): Options {
  return { ...TIME_OUTS, ...(parseConnectionUrl(url) as Options), logger: false };
}

/** One connection at a time to a mail server, renewed when anything went wrong on it. */
export class SmtpLine implements MailConnection {
  private connection: SMTPConnection | undefined;
  private sent = 0;
  private abandoned = false;
  /** Ends the wait for the server's answer. */
  private broken: ((error: Error) => void) | undefined;

  constructor(
    private readonly options: Options,
    private readonly from: string,
  ) {}

  async send(mail: Mail, handOver: () => Promise<void>): Promise<Delivery> {
    if (!isAddress(mail.to)) return { outcome: 'refused', reply: 'address' };
    let connection: SMTPConnection;
    try {
      connection = await this.connected();
    } catch (cause) {
      return { outcome: 'unreachable', reply: replyOf(cause), cause };
    }
    const delivery = await this.submit(connection, mail, handOver);
    this.sent += 1;
    if (delivery.outcome !== 'accepted') this.drop();
    else if (this.sent >= MAILS) this.close();
    return delivery;
  }

  close(): void {
    this.connection?.quit();
    this.connection = undefined;
  }

  abandon(): void {
    this.abandoned = true;
    this.broken?.(new Error('abandoned'));
    this.drop();
  }

  private drop(): void {
    this.connection?.close();
    this.connection = undefined;
  }

  private async connected(): Promise<SMTPConnection> {
    if (this.connection !== undefined) return this.connection;
    const connection = new SMTPConnection(this.options);
    try {
      await new Promise<void>((resolve, reject) => {
        connection.once('error', reject);
        connection.connect((error) => (error ? reject(error) : resolve()));
      });
      const { user, pass } = this.options.auth ?? {};
      if (user !== undefined) await login(connection, user, pass ?? '');
    } catch (error) {
      connection.on('error', () => undefined);
      connection.close();
      throw error;
    }
    // An idle connection that breaks is found out by the next mail.
    connection.on('error', () => this.forget(connection));
    connection.on('end', () => this.forget(connection));
    this.connection = connection;
    this.sent = 0;
    return connection;
  }

  private forget(connection: SMTPConnection): void {
    if (this.connection === connection) this.connection = undefined;
  }

  /**
   * The end of a message is what lets a server accept it (RFC 5321, section 4.1.1.4), so `handOver` has its turn between the last byte
   * and that. In the turn in which it returns the end is written.
   */
  private async submit(
    connection: SMTPConnection,
    mail: Mail,
    handOver: () => Promise<void>,
  ): Promise<Delivery> {
    const content = await composeMessage(mail, this.from);
    let ended = false;
    let handing: Promise<void> | undefined;
    async function* message() {
      yield content;
      handing = handOver();
      await handing;
      // The connection may be gone meanwhile: then nothing ends.
      ended = !stream.destroyed;
    }
    const stream: Readable = Readable.from(message());
    const envelope = { from: addressIn(this.from), to: mail.to, size: content.length };
    const failure = await new Promise<unknown>((resolve) => {
      this.broken = resolve;
      connection.send(envelope, stream, (error) => resolve(error ?? undefined));
      if (this.abandoned) resolve(new Error('abandoned'));
    });
    this.broken = undefined;
    try {
      await handing;
    } catch (error) {
      this.drop();
      throw error;
    }
    return failure === undefined ? { outcome: 'accepted' } : judge(failure, ended);
  }
}

function login(connection: SMTPConnection, user: string, pass: string): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.login({ user, credentials: { user, pass } }, (error) => (error ? reject(error) : resolve()));
  });
}

/** `ended`: the server has had the whole message, so only a refusal in its own words is one. */
function judge(cause: unknown, ended: boolean): Delivery {
  const { responseCode, command, code } = cause as SmtpError;
  const reply = replyOf(cause);
  if (responseCode !== undefined && responseCode >= 400) {
    // A sender that is not welcome, or a server that says goodbye: no word about the recipient.
    if (!ended && (command === 'MAIL FROM' || responseCode === 421))
      return { outcome: 'unreachable', reply, cause };
    return { outcome: responseCode >= 500 ? 'refused' : 'deferred', reply, cause };
  }
  if (ended) return { outcome: 'unknown', reply, cause };
  const ownFault = code === 'EENVELOPE' || code === 'EMESSAGE';
  return { outcome: ownFault ? 'refused' : 'unreachable', reply, cause };
}

function replyOf(error: unknown): string {
  const { responseCode, code } = error as SmtpError;
  return String(responseCode ?? code ?? 'error');
}
