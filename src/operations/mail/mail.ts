/** A mail to one person. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** Without angle brackets: the same whenever the same mail is sent again. */
  readonly messageId: string;
}

/**
 * What came of handing a mail over.
 *
 * - `accepted`: it is the server's to deliver now
 * - `refused`: for good (5xx)
 * - `deferred`: for now (4xx); the same mail may be accepted later
 * - `unreachable`: nothing was said about this mail, and the next one would fare no better
 * - `unknown`: it was handed over whole, and the answer was lost
 */
export interface Delivery {
  readonly outcome: 'accepted' | 'refused' | 'deferred' | 'unreachable' | 'unknown';
  /** The reply's code, such as `550`; or the error's, such as `ECONNREFUSED`. */
  readonly reply?: string | undefined;
  /** For the log alone. */
  readonly cause?: unknown;
}

/**
 * Called once, when all of a mail but its end is with the server, which cannot accept it so. `release` sends the end, before it
 * returns. What throws, or never releases, is not sent.
 */
export type HandOver = (release: () => void) => Promise<void>;

/** Mails to a server, one after the other. `send` never throws, except for what `handOver` throws. */
export interface MailConnection {
  send(mail: Mail, handOver: HandOver): Promise<Delivery>;
  /** Lets the server know that no mail follows. */
  close(): void;
  /** Breaks the connection off, with the mail that is under way: it ends as `unreachable`, or as `unknown` once handed over. */
  abandon(): void;
}

/** Where mail goes. */
export abstract class MailTransport {
  /** Connects when the first mail is sent. */
  abstract open(): MailConnection;
}
