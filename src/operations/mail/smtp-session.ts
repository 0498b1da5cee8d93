import { once } from 'node:events';
import { isIP } from 'node:net';
import { parseConnectionUrl } from 'nodemailer/lib/shared';
import SMTPConnection from 'nodemailer/lib/smtp-connection';

/** Milliseconds. The last one is what RFC 5321, section 4.5.3.2.6, wants: asking again too early is how mail comes twice. */
const TIME_OUTS = { connectionTimeout: 15_000, greetingTimeout: 15_000, socketTimeout: 600_000 };

/** The SASL mechanisms that take a name and a password. */
const SASL_MECHANISMS = ['PLAIN', 'LOGIN', 'CRAM-MD5'];

export type SmtpOptions = ConstructorParameters<typeof SMTPConnection>[0] & {
  readonly auth?: { readonly user?: string; readonly pass?: string };
};

/** What the library learned from the server's answer to EHLO; without names in its interface. */
interface Capabilities {
  readonly _supportedAuth: readonly string[];
  readonly _supportedExtensions: readonly string[];
}

/**
 * What `SMTP_URL` says, bounded in time. With a password, TLS is required unless the server is this machine or the URL says
 * `?requireTLS=false`: whoever suppresses STARTTLS must not get the password.
 */
export function smtpOptions(url: string): SmtpOptions {
  const given = parseConnectionUrl(url) as SmtpOptions;
  const requireTLS = given.requireTLS ?? (given.auth !== undefined && !isLoopback(given.host));
  // Closed at once: to end a socket in order would send what waits in it.
  return { ...TIME_OUTS, ...given, requireTLS, logger: false, socketCloseTimeout: 0 };
}

/** Connects and, if the options have a name, logs in. Rejects if the server does not offer that: the password stays here. */
export async function openSession(options: SmtpOptions): Promise<SMTPConnection> {
  const connection = new SMTPConnection(options);
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once('error', reject);
      connection.connect((error) => (error ? reject(error) : resolve()));
    });
    const { user, pass } = options.auth ?? {};
    if (user !== undefined) await login(connection, user, pass ?? '');
    return connection;
  } catch (error) {
    connection.on('error', () => undefined);
    connection.close();
    throw error;
  }
}

/** Connects, logs in and leaves. Rejects if the server cannot be used. Sends no mail. */
export async function tryServer(options: SmtpOptions): Promise<void> {
  const connection = await openSession(options);
  const ended = once(connection, 'end');
  connection.quit();
  await ended;
}

/** Whether the server takes addresses with other characters than ASCII before the `@` (RFC 6531). */
export function takesUnicode(connection: SMTPConnection): boolean {
  return capabilitiesOf(connection)._supportedExtensions.includes('SMTPUTF8');
}

async function login(connection: SMTPConnection, user: string, pass: string): Promise<void> {
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
