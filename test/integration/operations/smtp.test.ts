import { afterEach, describe, expect, it } from 'vitest';
import { simpleParser } from 'mailparser';
import { mailChecks } from '../../../src/admin/cli/doctor/mail.checks.js';
import type { Config } from '../../../src/config/config.js';
import type { Delivery, Mail } from '../../../src/operations/mail/mail.js';
import { SmtpTransport } from '../../../src/operations/mail/smtp-transport.js';
import { MailServer } from '../../helpers/mail-server.js';
import type { MailServerRules } from '../../helpers/mail-server.js';

describe('mail by SMTP', () => {
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

  async function sent(url: string, to: string, from = 'Tandem <notices@example.com>'): Promise<Delivery> {
    const mail: Mail = { to, subject: 'Hello', text: 'text', html: '<p>text</p>', messageId: 'a@b.example' };
    const connection = new SmtpTransport(url, from).open();
    try {
      return await connection.send(mail, async (release) => release());
    } finally {
      connection.close();
    }
  }

  it.each([{}, { ascii: true }])(
    'encodes internationalised domains of both sides (server: %j)',
    async (rules) => {
      const server = await aServer(rules);
      const delivery = await sent(server.url, 'ada@bücher.example', 'Bücher <notices@müller.example>');
      expect(delivery).toEqual({ outcome: 'accepted' });
      const [from, to] = await server.commands();
      expect(from).toMatch(/^MAIL FROM:<notices@xn--mller-kva\.example>/);
      expect(to).toBe('RCPT TO:<ada@xn--bcher-kva.example>');
      const { raw } = (await server.received())[0]!;
      // As many bytes as characters: it is all ASCII.
      expect(Buffer.byteLength(raw)).toBe(raw.length);
      expect((await simpleParser(raw)).from?.value).toMatchObject([{ name: 'Bücher' }]);
    },
  );

  it('sends to a local part beyond ASCII only if the server takes it', async () => {
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
  ])('sends from %s as one sender', async (from, name) => {
    const server = await aServer();
    await sent(server.url, 'ada@example.com', from);
    const { raw } = (await server.received())[0]!;
    expect((await simpleParser(raw)).from?.value).toEqual([{ name, address: 'notices@example.com' }]);
  });

  it('logs in where the server offers it', async () => {
    const server = await aServer({ login: true });
    expect(await sent(withPassword(server), 'ada@example.com')).toEqual({ outcome: 'accepted' });
    expect((await server.commands())[0]).toMatch(/^AUTH PLAIN /);
  });

  it('does not send the password to a server that does not offer to log in, nor mail without it', async () => {
    const server = await aServer();
    expect(await sent(withPassword(server), 'ada@example.com')).toMatchObject({
      outcome: 'unreachable',
      reply: 'ENOAUTH',
    });
    expect(await server.commands()).toEqual([]);
    const config = { smtpUrl: withPassword(server), mailFrom: 'a@b.example' } as Config;
    const [finding] = await mailChecks(config);
    expect(finding).toMatchObject({ check: 'mail', level: 'fail' });
    expect(finding!.message).toMatch(/does not offer to log in/);
    expect(await server.commands()).toEqual([]);
  });

  it('does not send the password to a server without TLS if TLS is required', async () => {
    const server = await aServer({ login: true });
    const delivery = await sent(`${withPassword(server)}?requireTLS=true`, 'ada@example.com');
    expect(delivery.outcome).toBe('unreachable');
    expect((await server.commands()).filter((line) => !line.startsWith('STARTTLS'))).toEqual([]);
  });
});
