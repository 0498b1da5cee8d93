import { once } from 'node:events';
import { isIP } from 'node:net';
import { parseConnectionUrl } from 'nodemailer/lib/shared';
import SMTPConnection from 'nodemailer/lib/smtp-connection';

/**
 * Milliseconds. The socket timeout is the one of RFC 5321, section 4.5.3.2.6: a client that gives up earlier sends mails twice.
 */
const TIMEOUTS = { connectionTimeout: 15_000, greetingTimeout: 15_000, socketTimeout: 600_000 };

/** The SASL mechanisms that use a name and a password. */
const SASL_MECHANISMS = ['PLAIN', 'LOGIN', 'CRAM-MD5'];

export type SmtpOptions = ConstructorParameters<typeof SMTPConnection>[0] & {
  readonly auth?: { readonly user?: string; readonly pass?: string };
};

/** What nodemailer learned from the answer to EHLO. Its types do not name it. */
interface Capabilities {
  readonly _supportedAuth: readonly string[];
  readonly _supportedExtensions: readonly string[];
}

/**
 * The options of `SMTP_URL`, with timeouts. A URL with a password requires TLS, unless the server is this machine or the URL says
 * `?requireTLS=false`: an attacker who suppresses STARTTLS must not get the password.
 */
export function smtpOptions(url: string): SmtpOptions {
  const given = parseConnectionUrl(url) as SmtpOptions;
  const requireTLS = given.requireTLS ?? (given.auth !== undefined && !isLoopback(given.host));
  // Close at once: an orderly close would send the data that waits in the socket.
  return { ...TIMEOUTS, ...given, requireTLS, logger: false, socketCloseTimeout: 0 };
}

/**
 * Connects, and authenticates if the options have a name. Rejects if the server does not offer a mechanism for passwords; then it
 * has not sent the password. (The transports of nodemailer send the mail without authentication in that case.)
 */
export async function openSession(options: SmtpOptions): Promise<SMTPConnection> {
  const connection = new SMTPConnection(options);
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once('error', reject);
      connection.connect((error) => (error ? reject(error) : resolve()));
    });
    const { user, pass } = options.auth ?? {};
    if (user !== undefined) await authenticate(connection, user, pass ?? '');
    return connection;
  } catch (error) {
    connection.on('error', () => undefined);
    connection.close();
    throw error;
  }
}

/** Connects, authenticates and disconnects. Rejects if the server cannot be used. Sends no mail. */
export async function tryServer(options: SmtpOptions): Promise<void> {
  const connection = await openSession(options);
  const ended = once(connection, 'end');
  connection.quit();
  await ended;
}

/** Whether the server accepts addresses with non-ASCII characters before the `@` (RFC 6531). */
export function offersSmtpUtf8(connection: SMTPConnection): boolean {
  return capabilitiesOf(connection)._supportedExtensions.includes('SMTPUTF8');
}

async function authenticate(connection: SMTPConnection, user: string, pass: string): Promise<void> {
  const offered = capabilitiesOf(connection)._supportedAuth;
  if (!offered.some((mechanism) => SASL_MECHANISMS.includes(mechanism))) {
    const message =
      'SMTP_URL has a name and a password, but the mail server does not offer to log in with them';
    throw Object.assign(new Error(message), { code: 'ENOAUTH' });
  }
  await new Promise<void>((resolve, reject) => {
    connection.login({ user, credentials: { user, pass } }, (error) => (error ? reject(error) : resolve()));
  });
}

function capabilitiesOf(connection: SMTPConnection): Capabilities {
  return connection as unknown as Capabilities;
}

function isLoopback(host: string | undefined): boolean {
  if (host === undefined || host === 'localhost') return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}
