/** A mail to one person. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** The message id without angle brackets. It stays the same if the mail is sent again. */
  readonly messageId: string;
}

/**
 * The result of sending a mail.
 *
 * - `accepted`: the server delivers it from now on
 * - `refused`: a permanent refusal (5xx)
 * - `deferred`: a temporary refusal (4xx); the server may accept the same mail later
 * - `unreachable`: the server said nothing about this mail, and the next one would fail in the same way
 * - `unknown`: the server has the whole mail, but its answer was lost
 */
export interface Delivery {
  readonly outcome: 'accepted' | 'refused' | 'deferred' | 'unreachable' | 'unknown';
  /** The code of the reply, such as `550`, or of the error, such as `ECONNREFUSED`. */
  readonly reply?: string | undefined;
  /** The cause, which goes only to the log. */
  readonly cause?: unknown;
}

/**
 * Called once, when everything but the last line of the mail has been sent. A server cannot accept a mail without that line. The
 * callback calls `release` to send it, as the last thing it does. If it throws or does not call `release`, the mail is not sent.
 */
export type HandOver = (release: () => void) => Promise<void>;

/** Sends mails one after the other. `send` throws only what `handOver` throws. */
export interface MailConnection {
  send(mail: Mail, handOver: HandOver): Promise<Delivery>;
  /** Tells the server that no mail follows. */
  close(): void;
  /** Breaks the connection. A mail in progress becomes `unreachable`, or `unknown` after its release. */
  abandon(): void;
}

/** Where mail goes: a mail server or a folder. */
export abstract class MailTransport {
  /** A new connection. It connects when the first mail is sent. */
  abstract open(): MailConnection;
}
