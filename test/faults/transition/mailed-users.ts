import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../helpers/client.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { MailServer } from '../../helpers/transition/mail-server.js';
import { NodeProcess } from '../../helpers/node-process.js';
import { call, login } from '../../helpers/remote-client.js';

const PATIENCE = 150_000;

/** Connections of a node. A kill can lose so many answers. */
const CONNECTIONS = 4;

interface Progress {
  readonly queued: number;
  readonly pending: number;
  readonly sent: number;
  readonly unconfirmed: number;
  readonly failed: number;
}

const makeUsers = (count: number) => `
  WITH made AS (
    INSERT INTO users (id, username, username_key, email)
    SELECT gen_random_uuid(), 'u' || n, 'u' || n,
      CASE WHEN n % 100 = 0 THEN 'refused' WHEN n % 20 = 1 THEN 'later' ELSE 'user' END
        || n || '@example.com'
    FROM generate_series(1, ${count}) AS n RETURNING id
  )
  INSERT INTO scheme_uses (at, span, scheme, user_id, user_agent, requests, first_at, last_at)
  SELECT date_trunc('hour', now()), 3600, 'session', id, 'OldClient/1.0', 1, now(), now() FROM made`;

/** Tests that a mail reaches each of so many users once, although the node that sends it is killed when so many have arrived. */
export function mailUsers(count: number, killAt: readonly number[]): void {
  describe(`mail to ${count} users`, () => mails(count, killAt));
}

function mails(count: number, killAt: readonly number[]): void {
  let db: TestDatabase;
  let server: MailServer;
  const nodes: NodeProcess[] = [];
  const start = async (): Promise<NodeProcess> => {
    const node = await NodeProcess.start({ databaseUrl: db.url, env: { SMTP_URL: server.url } });
    nodes.push(node);
    return node;
  };
  beforeAll(async () => {
    db = await createTestDatabase();
    // Slow after the end of each message, where a killed node learns nothing.
    server = await MailServer.start({
      slow: 20,
      refuses: 'refused',
      defersOnce: 'later',
    });
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.remove()));
    await server.stop();
    await db.drop();
  });

  /** Whether the server has every mail that the database calls handed over. */
  const nothingBetween = async (): Promise<boolean> => {
    const handedOver = await db.database.query<{ email: string }>(
      `SELECT email FROM notice_recipients WHERE state IN ('handed_over', 'sent')`,
    );
    const arrived = new Set((await server.received()).map(({ to }) => to));
    return handedOver.every(({ email }) => arrived.has(email));
  };

  /**
   * Kills the node at some moment, but not between the two writes that hand a mail over: such a mail is lost, and counted as
   * unconfirmed (ADR 0006). What it wrote last is on its way when it is stopped, and arrives.
   */
  const kill = async (node: NodeProcess): Promise<void> => {
    for (;;) {
      node.signal('SIGSTOP');
      const arrived = await until(nothingBetween, 2_000).catch(() => undefined);
      if (arrived !== undefined) break;
      node.signal('SIGCONT');
      await delay(50);
    }
    expect(await node.end('SIGKILL')).toBe('SIGKILL');
  };

  it(
    'reaches each user once although the sending node is killed three times',
    { timeout: PATIENCE * (killAt.length + 1) },
    async () => {
      let node = await start();
      await db.database.query(makeUsers(count));
      let { access_token: token } = await login(node);
      const queued = await call(node, 'POST', '/admin/deprecation-notices', { token, body: {} });
      expect([queued.status, JSON.parse(queued.text)]).toMatchObject([202, { queued: count }]);
      for (const moment of killAt) {
        await until(async () => (await server.count()) >= moment, PATIENCE);
        await kill(node);
        node = await start();
      }
      ({ access_token: token } = await login(node));
      let progress: Progress | undefined;
      await until(async () => {
        const { text } = await call(node, 'GET', '/admin/deprecation-notices', { token });
        progress = (JSON.parse(text) as { notices: Progress[] }).notices[0];
        return progress?.pending === 0;
      }, PATIENCE);

      const refused = count / 100;
      expect(progress).toMatchObject({ queued: count, sent: count - refused, failed: refused });
      expect(progress!.unconfirmed).toBeLessThanOrEqual(killAt.length * CONNECTIONS);
      const mails = new Map<string, number>();
      for (const { to } of await server.received()) mails.set(to, (mails.get(to) ?? 0) + 1);
      expect([...mails].filter(([, times]) => times !== 1)).toEqual([]);
      const users = await db.database.query<{ email: string }>(
        `SELECT email FROM users WHERE email IS NOT NULL`,
      );
      const missing = users.map(({ email }) => email).filter((email) => !mails.has(email));
      expect(missing.filter((email) => !email.startsWith('refused'))).toEqual([]);
      expect(missing).toHaveLength(refused);
      const events = await db.database.query<{ cause: string }>(
        `SELECT cause FROM audit_events WHERE event = 'mail' ORDER BY id`,
      );
      expect(events).toEqual([{ cause: 'queued' }, { cause: 'finished' }]);
    },
  );
}
