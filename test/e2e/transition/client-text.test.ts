import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RefusalCounter } from '../../../src/audit/refusal-counter.js';
import { RecorderService } from '../../../src/transition/report/recorder.service.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, everyRow, login } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { SECRET, bySession, cookieFor, sessionLogin, statusOf } from './session-client.js';

describe('text from clients with sessions', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET, TRUST_PROXY: '127.0.0.1' } });
    user = await aUser(node);
  });
  afterAll(() => node.close());

  const rowsWith = async (text: string) => {
    await node.app.get(RefusalCounter).flush();
    await node.app.get(RecorderService).flush();
    return (await everyRow(node)).filter((row) => row.includes(text));
  };

  it('never stores a token from the User-Agent in the report', async () => {
    const { refresh_token } = await login(node, user);
    const cookie = await sessionLogin(node, user);
    const headers = { 'user-agent': `app/2.0 ${refresh_token}` };
    expect((await bySession(node, cookie, { url: '/api/users/me', headers })).statusCode).toBe(200);
    expect(await rowsWith('app/2.0')).not.toEqual([]);
    expect(await rowsWith(refresh_token)).toEqual([]);
  });

  it('never stores a client’s own text as the address of a refused exchange or downgrade', async () => {
    const headers = { 'x-forwarded-for': 'hunter2-secret' };
    const exchanged = await bySession(node, cookieFor('nobody'), {
      method: 'POST',
      url: '/auth/exchange',
      headers,
    });
    expect(statusOf(exchanged)).toBe('401 session_invalid');
    const payload = { refresh_token: 'hunter2-secret' };
    await node.app.inject({ method: 'POST', url: '/auth/downgrade', headers, payload });
    expect(await rowsWith('session_invalid')).not.toEqual([]);
    expect(await rowsWith('hunter2-secret')).toEqual([]);
  });
});
