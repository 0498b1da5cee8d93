import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type SMTPConnection from 'nodemailer/lib/smtp-connection';
import { addressIn, composeMessage, envelopeAddress, hasAsciiLocalPart, isAddress } from './mail-message.js';
import type { Delivery, HandOver, Mail, MailConnection } from './mail.js';
import { openSession, takesUnicode } from './smtp-session.js';
import type { SmtpOptions } from './smtp-session.js';

/** Mails over one connection: servers end one that goes on for ever. */
const MAILS = 100;

interface SmtpError {
  readonly code?: string;
  readonly responseCode?: number;
  readonly command?: string;
}

/** One connection at a time to a mail server, renewed when anything went wrong on it. */
export class SmtpLine implements MailConnection {
  private connection: SMTPConnection | undefined;
  private sent = 0;
  private abandoned = false;
  /** Ends the wait for the server's answer. */
  private broken: ((error: Error) => void) | undefined;

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
    if (!hasAsciiLocalPart(mail.to) && !takesUnicode(connection))
      return { outcome: 'refused', reply: 'SMTPUTF8' };
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
    const connection = await openSession(this.options);
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

  /** The end of a message is what lets a server accept it (RFC 5321, section 4.1.1.4): it waits in the socket for its release. */
  private async submit(connection: SMTPConnection, mail: Mail, handOver: HandOver): Promise<Delivery> {
    const content = await composeMessage(mail, this.from);
    const socket = socketOf(connection);
    const { stream, whole } = heldBack(content, socket);
    let released = false;
    const handing = whole.then(async (complete) => {
      if (!complete) return;
      await handOver(() => {
        released = !socket.destroyed;
        socket.uncork();
      });
    });
    handing.catch(() => socket.destroy());
    const envelope = {
      from: envelopeAddress(addressIn(this.from)),
      to: envelopeAddress(mail.to),
      size: content.length,
    };
    const failure = await new Promise<unknown>((resolve) => {
      this.broken = resolve;
      connection.send(envelope, stream, (error) => resolve(error ?? undefined));
      if (this.abandoned) resolve(new Error('abandoned'));
    });
    this.broken = undefined;
    if (failure !== undefined) {
      stream.destroy();
      socket.destroy();
    }
    try {
      await handing;
    } catch (error) {
      this.drop();
      throw error;
    }
    return failure === undefined ? { outcome: 'accepted' } : judge(failure, released);
  }
}

/** Without a name in the library's interface; another one after STARTTLS. */
function socketOf(connection: SMTPConnection): Socket {
  return (connection as unknown as { _socket: Socket })._socket;
}

/**
 * The content as a stream, after which the socket is corked: what the library writes at its end is held back there. `whole`: everything
 * is in the socket; false if the stream was given up.
 */
function heldBack(content: Buffer, socket: Socket): { stream: Readable; whole: Promise<boolean> } {
  async function* parts() {
    yield content;
    if (socket.writableNeedDrain) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    socket.cork();
  }
  const stream = Readable.from(parts());
  const whole = new Promise<boolean>((resolve) => {
    // The end passes through the library's stream within this turn.
    stream.once('end', () => setImmediate(resolve, true));
    stream.once('close', () => setImmediate(resolve, false));
  });
  return { stream, whole };
}

/** `released`: the server has had the whole message, so only a refusal in its own words is one. */
function judge(cause: unknown, released: boolean): Delivery {
  const { responseCode, command, code } = cause as SmtpError;
  const reply = replyOf(cause);
  if (responseCode !== undefined && responseCode >= 400) {
    // A sender that is not welcome, or a server that says goodbye: no word about the recipient.
    if (!released && (command === 'MAIL FROM' || responseCode === 421))
      return { outcome: 'unreachable', reply, cause };
    return { outcome: responseCode >= 500 ? 'refused' : 'deferred', reply, cause };
  }
  if (released) return { outcome: 'unknown', reply, cause };
  const ownFault = code === 'EENVELOPE' || code === 'EMESSAGE';
  return { outcome: ownFault ? 'refused' : 'unreachable', reply, cause };
}

function replyOf(error: unknown): string {
  const { responseCode, code } = error as SmtpError;
  return String(responseCode ?? code ?? 'error');
}
