import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { simpleParser } from 'mailparser';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, sql, until } from '../../helpers/client.js';
import type { Reply } from '../../helpers/client.js';
import { MailServer } from '../../helpers/transition/mail-server.js';

interface Progress {
  readonly id: string;
  readonly queued: number;
  readonly pending: number;
  readonly sent: number;
  readonly unconfirmed: number;
  readonly failed: number;
  readonly finished_at: string | null;
}

const PATIENCE = 20_000;

describe('a deprecation notice', () => {
  let server: MailServer;
  let node: TestApp;
  let token: string;
  beforeAll(async () => {
    server = await MailServer.start({
      refuses: 'refused',
      defersOnce: 'later',
      defersMessageOnce: 'again',
      hangsUpOn: 'silent',
      cutsOff: 'cut',
    });
    node = await createTestApp({ env: { SMTP_URL: server.url, MAIL_FROM: 'Tandem <notices@example.com>' } });
    token = (await login(node)).access_token;
  });
  afterAll(async () => {
    await node.close();
    await server.stop();
  });

  const queue = (payload: object = {}): Promise<Reply> =>
    post(node, '/admin/deprecation-notices', payload, bearer(token));

  /** Makes users who are the only ones that have used a session. */
  async function onlyUsers(...addresses: (string | null)[]): Promise<string[]> {
    await sql(node, `DELETE FROM scheme_uses`);
    const ids: string[] = [];
    for (const email of addresses) {
      const id = randomUUID();
      await sql(node, `INSERT INTO users (id, username, username_key, email) VALUES ($1, $2, $2, $3)`, [
        id,
        `user-${id.slice(0, 8)}`,
        email,
      ]);
      await used(id, 3);
      ids.push(id);
    }
    return ids;
  }

  async function used(userId: string, daysAgo: number, userAgent = 'OldClient/1.0'): Promise<void> {
    await sql(
      node,
      `INSERT INTO scheme_uses (at, span, scheme, user_id, user_agent, requests, first_at, last_at)
       SELECT date_trunc('hour', moment), 3600, 'session', $1, $3, 1, moment, moment
       FROM (SELECT now() - make_interval(days => $2) AS moment) AS use`,
      [userId, daysAgo, userAgent],
    );
  }

  async function progressOf(id: string): Promise<Progress> {
    const reply = await get(node, '/admin/deprecation-notices', token);
    return reply.json<{ notices: Progress[] }>().notices.find((notice) => notice.id === id)!;
  }

  async function finished(id: string): Promise<Progress> {
    await until(async () => (await progressOf(id)).finished_at !== null, PATIENCE);
    return progressOf(id);
  }

  async function mailTo(prefix: string) {
    const mails = (await server.received()).filter(({ to }) => to.startsWith(prefix));
    return Promise.all(mails.map(async (mail) => ({ ...mail, parsed: await simpleParser(mail.raw) })));
  }

  it('is sent once to each session user who has an address, in text and HTML', async () => {
    const [ada] = await onlyUsers('ada@example.com', 'bob@example.com', null);
    await used(ada!, 1, 'Newer <script>/2.0');
    const reply = await queue();
    expect(reply.statusCode).toBe(202);
    expect(reply.json()).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), queued: 2 });
    const { id } = reply.json<{ id: string }>();
    expect(await finished(id)).toMatchObject({ queued: 2, pending: 0, sent: 2, unconfirmed: 0, failed: 0 });
    const [mail, ...more] = await mailTo('ada@');
    expect(more).toEqual([]);
    expect(mail).toMatchObject({ from: 'notices@example.com', to: 'ada@example.com' });
    const { parsed } = mail!;
    expect(parsed.from?.text).toBe('"Tandem" <notices@example.com>');
    expect(parsed.messageId).toBe(`<${id}.${ada}@tandem.test>`);
    expect(parsed.subject).toBe('Please sign in again: the way you sign in will change soon');
    expect(parsed.text).toContain('Sign out.');
    expect(parsed.text).toContain('Newer <script>/2.0');
    expect(parsed.text).not.toContain('OldClient');
    expect(parsed.text).toContain('http://tandem.test/transition/guide');
    expect(parsed.html).toContain('Newer &lt;script&gt;/2.0');
    expect(parsed.html).toContain('<a href="http://tandem.test/transition/guide">');
    expect(await mailTo('bob@')).toHaveLength(1);
  });

  it('says when sessions end, and fills in its template', async () => {
    await sql(
      node,
      `INSERT INTO rollout_versions (version, cause, phase, percentage, roles, user_ids, drain, sunset_at, brownouts)
       SELECT version + 1, 'change', 'deprecation_notice', 100, '{}', '{}', false, '2031-02-03T04:05:06Z', '[]'
       FROM rollout_versions ORDER BY version DESC LIMIT 1`,
    );
    await sql(node, `UPDATE service_state SET versions = versions || '{"rollout": 99}'`);
    await onlyUsers('tess@example.com');
    const body = {
      days: 4,
      subject: 'To {{ username }}',
      text: 'on {{sunset_date}}|{{last_seen}}|{{user_agent}}|{{guide_url}}',
    };
    const said = async () => {
      const { id } = (await queue(body)).json<{ id: string }>();
      await finished(id);
      return (await mailTo('tess@')).at(-1)!.parsed;
    };
    let mail = await said();
    await until(async () => (mail = await said()).text?.startsWith('on ') === true, PATIENCE);
    expect(mail.text).toMatch(
      /^on 3 February 2031\|\d+ \w+ \d{4}\|OldClient\/1\.0\|http:\/\/tandem\.test\/transition\/guide\s*$/,
    );
    expect(mail.subject).toMatch(/^To user-[0-9a-f]{8}$/);
    await finished((await queue({ days: 4 })).json<{ id: string }>().id);
    const usual = (await mailTo('tess@')).at(-1)!.parsed;
    expect(usual.subject).toMatch(/change on 3 February 2031$/);
    expect(usual.text).toContain('change on 3 February 2031.');
  });

  it.each([
    [
      'an unknown field in the text',
      { text: 'Dear {{first_name}}' },
      /text names \{\{first_name\}\}.*\{\{username\}\}/,
    ],
    ['an unknown field in the subject', { subject: '{{nope}}' }, /subject names \{\{nope\}\}/],
    ['braces that do not close', { text: 'Dear {{username}' }, /text has braces/],
    ['a subject of two lines', { subject: 'Hello\r\nBcc: all@example.com' }, /one line/],
    ['a blank text', { text: ' \n' }, /blank/],
    ['no days', { days: 0 }, /days/],
    ['days that are no number', { days: '30' }, /days/],
    ['a field that does not exist', { template: 'x' }, /template/],
    ['a dry run that is no boolean', { dry_run: 'true' }, /dry_run/],
  ])('is refused with %s, and sends nothing', async (_, payload, message) => {
    await onlyUsers('none@example.com');
    const before = await sql(node, `SELECT 1 FROM deprecation_notices`);
    const reply = await queue(payload);
    expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    expect(reply.json<{ errors: { message: string }[] }>().errors[0]?.message).toMatch(message);
    expect(await sql(node, `SELECT 1 FROM deprecation_notices`)).toEqual(before);
    expect(await mailTo('none@')).toEqual([]);
  });

  it('is refused if no user has an address, is enabled and used a session recently', async () => {
    const [, disabled, old] = await onlyUsers(null, 'disabled@example.com', 'old@example.com');
    await sql(node, `UPDATE users SET disabled_at = now() WHERE id = $1`, [disabled]);
    await sql(node, `DELETE FROM scheme_uses WHERE user_id = $1`, [old]);
    await used(old!, 31);
    const reply = await queue();
    expect(reply.statusCode).toBe(400);
    expect(reply.json()).toMatchObject({ code: 'validation_failed', errors: [{ field: 'days' }] });
    expect(
      await sql(node, `SELECT 1 FROM notice_recipients WHERE user_id = ANY($1)`, [[disabled, old]]),
    ).toEqual([]);
    expect((await queue({ days: 40 })).json()).toMatchObject({ queued: 1 });
  });

  it('counts permanent refusals, and retries after temporary ones', async () => {
    await onlyUsers(
      'refused@example.com',
      'later@example.com',
      'again@example.com',
      'cut@example.com',
      'silent@example.com',
      'not an address',
      'two@example.com\r\nRCPT TO:<victim@example.com>',
    );
    const { id } = (await queue()).json<{ id: string }>();
    expect(await finished(id)).toMatchObject({ queued: 7, sent: 4, unconfirmed: 1, failed: 3 });
    for (const prefix of ['later@', 'again@', 'cut@', 'silent@'])
      expect(await mailTo(prefix)).toHaveLength(1);
    for (const prefix of ['refused@', 'two@', 'victim@']) expect(await mailTo(prefix)).toEqual([]);
    const replies = await sql(
      node,
      `SELECT split_part(email, '@', 1) AS who, state, reply FROM notice_recipients
       WHERE notice_id = $1 AND (state = 'failed' OR NOT confirmed) ORDER BY email COLLATE "C"`,
      [id],
    );
    expect(replies).toEqual([
      { who: 'not an address', state: 'failed', reply: 'address' },
      { who: 'refused', state: 'failed', reply: '550' },
      { who: 'silent', state: 'sent', reply: 'ECONNECTION' },
      { who: 'two', state: 'failed', reply: 'address' },
    ]);
  });

  it('is audited when it is queued and when it is finished', async () => {
    await onlyUsers('audit@example.com');
    const { id } = (await queue()).json<{ id: string }>();
    await finished(id);
    const events = await sql<{ cause: string; detail: object; actor_id: string | null }>(
      node,
      `SELECT cause, actor_id, detail - 'notice' AS detail FROM audit_events
       WHERE event = 'mail' AND detail ->> 'notice' = $1 ORDER BY id`,
      [id],
    );
    expect(events).toEqual([
      {
        cause: 'queued',
        actor_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        detail: { days: 30, queued: 1 },
      },
      { cause: 'finished', actor_id: null, detail: { sent: 1, unconfirmed: 0, failed: 0 } },
    ]);
  });

  it('is listed newest first, page by page', async () => {
    await onlyUsers('page@example.com');
    const made = [(await queue()).json<{ id: string }>().id, (await queue()).json<{ id: string }>().id];
    const page = async (query: string) =>
      (await get(node, `/admin/deprecation-notices?${query}`, token)).json<{
        notices: Progress[];
        next_cursor: string | null;
      }>();
    const first = await page('limit=1');
    expect(first.notices.map(({ id }) => id)).toEqual([made[1]]);
    const second = await page(`limit=1&cursor=${first.next_cursor}`);
    expect(second.notices.map(({ id }) => id)).toEqual([made[0]]);
    for (const cursor of ['x', Buffer.from('now x').toString('base64url')]) {
      expect((await get(node, `/admin/deprecation-notices?cursor=${cursor}`, token)).statusCode).toBe(400);
    }
  });

  it('is for administrators only', async () => {
    const user = bearer((await login(node, await aUser(node))).access_token);
    expect((await post(node, '/admin/deprecation-notices', {}, user)).statusCode).toBe(403);
    expect((await get(node, '/admin/deprecation-notices')).statusCode).toBe(401);
  });
});
