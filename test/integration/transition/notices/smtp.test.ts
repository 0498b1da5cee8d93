import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import type { TransitionConfig } from '../../../../src/transition/transition.settings.js';
import type { Delivery, HandOver, Mail } from '../../../../src/transition/notices/mail/mail-transport.js';
import { MailCheck } from '../../../../src/transition/notices/mail/mail.check.js';
import { SmtpTransport } from '../../../../src/transition/notices/mail/smtp-transport.js';
import { MailServer } from '../../../helpers/transition/mail-server.js';
import type { MailServerRules } from '../../../helpers/transition/mail-server.js';

const MAIL_FROM = 'Tandem <notices@example.com>';

const check = (config: Partial<TransitionConfig>) => new MailCheck(config as TransitionConfig).examine();

describe('the SMTP transport', () => {
  const servers: MailServer[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
  });

  async function aServer(rules: MailServerRules = {}): Promise<MailServer> {
    const server = await MailServer.start(rules);
    servers.push(server);
    return server;
  }

  const withPassword = ({ url }: MailServer) => url.replace('smtp://', 'smtp://tandem:hunter2-secret@');

  async function sent(
    url: string,
    to: string,
    from = MAIL_FROM,
    handOver: HandOver = async (release) => release(),
  ): Promise<Delivery> {
    const mail: Mail = { to, subject: 'Hello', text: 'text', html: '<p>text</p>', messageId: 'a@b.example' };
    const connection = new SmtpTransport(url, from).open();
    try {
      return await connection.send(mail, handOver);
    } finally {
      connection.close();
    }
  }

  it.each([{}, { ascii: true }])(
    'encodes internationalised domains of sender and recipient (server rules: %j)',
    async (rules) => {
      const server = await aServer(rules);
      const delivery = await sent(server.url, 'ada@bücher.example', 'Bücher <notices@müller.example>');
      expect(delivery).toEqual({ outcome: 'accepted' });
      const [from, to] = await server.commands();
      expect(from).toMatch(/^MAIL FROM:<notices@xn--mller-kva\.example>/);
      expect(to).toBe('RCPT TO:<ada@xn--bcher-kva.example>');
      const { raw } = (await server.received())[0]!;
      // As many bytes as characters: the whole message is ASCII.
      expect(Buffer.byteLength(raw)).toBe(raw.length);
      expect((await simpleParser(raw)).from?.value).toMatchObject([{ name: 'Bücher' }]);
    },
  );

  it('sends to a non-ASCII local part only if the server offers SMTPUTF8', async () => {
    const server = await aServer();
    expect(await sent(server.url, 'jürgen@bücher.example')).toEqual({ outcome: 'accepted' });
    expect((await server.commands())[0]).toMatch(/ SMTPUTF8$/);
    const ascii = await aServer({ ascii: true });
    expect(await sent(ascii.url, 'jürgen@bücher.example')).toEqual({ outcome: 'refused', reply: 'SMTPUTF8' });
    expect(await ascii.commands()).toEqual([]);
  });

  it.each(['ada@exa mple.com', 'ada@a..\u{fdd0}', 'ada@example.com\r\nRCPT TO:<eve@example.com>'])(
    'refuses the address %j before it connects',
    async (to) => {
      expect(await sent('smtp://127.0.0.1:1', to)).toEqual({ outcome: 'refused', reply: 'address' });
    },
  );

  it.each([
    ['Doe, Jane <notices@example.com>', 'Doe, Jane'],
    ['"Acme, \\"Inc.\\"" <notices@example.com>', 'Acme, "Inc."'],
    ['eve@example.org, <notices@example.com>', 'eve@example.org,'],
  ])('sends mail from %s with one sender', async (from, name) => {
    const server = await aServer();
    await sent(server.url, 'ada@example.com', from);
    const { raw } = (await server.received())[0]!;
    expect((await simpleParser(raw)).from?.value).toEqual([{ name, address: 'notices@example.com' }]);
  });

  it('lets the server accept a mail only after its release', async () => {
    const server = await aServer();
    let before: number | undefined;
    const delivery = await sent(server.url, 'ada@example.com', MAIL_FROM, async (release) => {
      before = await server.count();
      release();
    });
    expect([before, delivery]).toEqual([0, { outcome: 'accepted' }]);
    expect(await server.count()).toBe(1);
  });

  it('does not send a mail whose hand-over fails or does not release it', async () => {
    const server = await aServer();
    const failing = sent(server.url, 'ada@example.com', MAIL_FROM, () => Promise.reject(new Error('taken')));
    await expect(failing).rejects.toThrow('taken');
    const kept = await sent(server.url, 'ada@example.com', MAIL_FROM, async () => undefined);
    expect(kept.outcome).toBe('unreachable');
    expect(await server.count()).toBe(0);
  });

  it('authenticates if the server offers it', async () => {
    const server = await aServer({ login: true });
    expect(await sent(withPassword(server), 'ada@example.com')).toEqual({ outcome: 'accepted' });
    expect((await server.commands())[0]).toMatch(/^AUTH PLAIN /);
  });

  it('sends neither the password nor the mail to a server that does not offer authentication', async () => {
    const server = await aServer();
    expect(await sent(withPassword(server), 'ada@example.com')).toMatchObject({
      outcome: 'unreachable',
      reply: 'ENOAUTH',
    });
    expect(await server.commands()).toEqual([]);
    const [finding] = await check({ smtpUrl: withPassword(server), mailFrom: 'a@b.example' });
    expect(finding).toMatchObject({ check: 'mail', level: 'fail' });
    expect(finding!.message).toMatch(/does not offer to log in/);
    expect(await server.commands()).toEqual([]);
  });

  it('upgrades to TLS before it sends the password and the mail', async () => {
    const seen: string[] = [];
    // The package brings a certificate for localhost.
    const server = new SMTPServer({
      onAuth: (auth, session, done) => {
        seen.push(`AUTH ${auth.username} over ${session.secure ? 'TLS' : 'plain text'}`);
        done(null, { user: auth.username });
      },
      onData: (stream, session, done) => {
        seen.push(`DATA over ${session.secure ? 'TLS' : 'plain text'}`);
        stream.resume().on('end', () => done());
      },
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.server.address() as AddressInfo;
      const url = `smtp://tandem:hunter2-secret@127.0.0.1:${port}?requireTLS=true`;
      const untrusted = await sent(url, 'ada@example.com');
      expect(untrusted).toMatchObject({ outcome: 'unreachable' });
      expect(seen).toEqual([]);
      const trusting = `${url}&tls.rejectUnauthorized=false`;
      expect(await sent(trusting, 'ada@example.com')).toEqual({ outcome: 'accepted' });
      expect(seen).toEqual(['AUTH tandem over TLS', 'DATA over TLS']);
    } finally {
      await new Promise<void>((resolve) => server.close(resolve));
    }
  });

  it('does not send the password to a server without TLS if TLS is required', async () => {
    const server = await aServer({ login: true });
    const delivery = await sent(`${withPassword(server)}?requireTLS=true`, 'ada@example.com');
    expect(delivery.outcome).toBe('unreachable');
    expect((await server.commands()).filter((line) => !line.startsWith('STARTTLS'))).toEqual([]);
  });
});

describe('the mail check of the doctor', () => {
  it('authenticates at the mail server and does not repeat the password', async () => {
    const server = new SMTPServer({
      authOptional: false,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      onAuth: ({ username, password }, _session, answer) =>
        password === 'right' ? answer(null, { user: username }) : answer(new Error('no')),
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.server.address() as AddressInfo;
    const at = (password: string, mailFrom: string | undefined = 'a@b.example') =>
      check({ smtpUrl: `smtp://tandem:${password}@127.0.0.1:${port}`, mailFrom });
    try {
      expect(await at('right')).toMatchObject([{ check: 'mail', level: 'ok' }]);
      const wrong = await at('a-wrong-password');
      expect(wrong).toMatchObject([{ check: 'mail', level: 'fail' }]);
      expect(JSON.stringify(wrong)).not.toContain('a-wrong-password');
      const noSender = await check({ smtpUrl: `smtp://tandem:right@127.0.0.1:${port}` });
      expect(noSender).toMatchObject([
        { check: 'mail', level: 'ok' },
        { check: 'mail_from', level: 'warn' },
      ]);
    } finally {
      await new Promise<void>((resolve) => server.close(resolve));
    }
    expect(await at('right')).toMatchObject([{ check: 'mail', level: 'fail' }]);
  });

  it('warns if there is no mail server', async () => {
    expect(await check({ dataDir: './data' })).toMatchObject([{ check: 'mail', level: 'warn' }]);
  });
});
