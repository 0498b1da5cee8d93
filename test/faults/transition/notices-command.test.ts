import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../helpers/client.js';
import { runHere } from '../../helpers/command-here.js';
import { admin } from '../../helpers/command-line.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { NodeProcess } from '../../helpers/node-process.js';
import { call } from '../../helpers/remote-client.js';

const PASSWORD = 'correct horse battery staple';

describe('npm run admin -- notices, beside a running node', () => {
  let db: TestDatabase;
  let node: NodeProcess;
  beforeAll(async () => {
    db = await createTestDatabase();
    node = await NodeProcess.start({ databaseUrl: db.url });
  });
  afterAll(async () => {
    await node.remove();
    await db.drop();
  });

  const run = (...args: string[]) => runHere(['notices', ...args], node.environment);

  async function json<T>(...args: string[]): Promise<T> {
    const { code, out, err } = await run(...args, '--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return JSON.parse(out) as T;
  }

  it('lists the recipients in a dry run, sends the mails, and shows their progress', async () => {
    const create = ['users', 'create', 'ada', '--email', 'ada@example.com'];
    expect((await admin(node.environment, node.folder, create, `${PASSWORD}\n`)).code).toBe(0);
    expect(await run('send')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^nobody with a mail/),
    });
    const body = { username: 'ada', password: PASSWORD };
    expect((await call(node, 'POST', '/api/login', { body })).status).toBe(200);
    // The node writes its counts every two seconds.
    await until(async () => (await json<{ count: number }>('send', '--dry-run')).count === 1, 20_000);
    const dry = await run('send', '--dry-run', '--days', '7', '--limit', '1');
    expect(dry).toMatchObject({ code: 0, err: '1 recipient; nothing was sent\n' });
    expect(dry.out).toContain('ada@example.com');
    expect(await json('list')).toEqual({ notices: [], next_cursor: null });

    for (const [code, ...wrong] of [
      [2, '--days', '0'],
      [2, '--days', '91'],
      [1, '--subject', 'a\nb'],
      [1, '--text', '{{nope}}'],
      [1, '--text', ' '],
    ] as const)
      expect(await run('send', ...wrong)).toMatchObject({ code, out: '' });

    const { id, queued } = await json<{ id: string; queued: number }>(
      'send',
      '--subject',
      'Dear {{username}}',
    );
    expect(queued).toBe(1);
    const sent = async () =>
      (await json<{ notices: { id: string; sent: number; subject: string }[] }>('list')).notices;
    await until(async () => (await sent())[0]!.sent === 1, 20_000);
    expect(await sent()).toMatchObject([{ id, subject: 'Dear {{username}}', sent: 1 }]);
  });
});
