import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { ROOT, aUser, codeOf, post } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { SECRET } from './session-client.js';

describe('the session login of administrators, if the console has an origin of its own', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({
      env: { SESSION_SECRET: SECRET, CONSOLE_ORIGIN: 'https://console.example.com' },
    });
  });
  afterAll(() => node.close());

  const signIn = ({ username, password }: Account, host: string) =>
    post(node, '/api/login', { username, password }, { headers: { host } });

  it('works there and nowhere else', async () => {
    const there = await signIn(ROOT, 'console.example.com');
    expect([there.statusCode, there.cookies.length]).toEqual([200, 1]);
    const elsewhere = await signIn(ROOT, 'app.example.com');
    expect([elsewhere.statusCode, codeOf(elsewhere), elsewhere.cookies]).toEqual([
      403,
      'console_origin_only',
      [],
    ]);
  });

  it('does not concern other users', async () => {
    expect((await signIn(await aUser(node), 'app.example.com')).statusCode).toBe(200);
  });
});
