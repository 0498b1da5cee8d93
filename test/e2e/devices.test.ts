import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, refresh, sidOf, sql, verify } from '../helpers/client.js';
import type { Account, Reply } from '../helpers/client.js';

interface Device {
  readonly id: string;
  readonly current: boolean;
  readonly user_agent: string | null;
  readonly ip: string | null;
  readonly last_used_at: string;
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('the devices of a user', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    user = await aUser(node);
  });
  afterAll(() => node.close());

  function remove(id: string, accessToken: string): Promise<Reply> {
    return node.app.inject({ method: 'DELETE', url: `/auth/devices/${id}`, ...bearer(accessToken) });
  }

  it('are the live families, with address and user agent', async () => {
    const phone = await login(node, user, {
      headers: { 'user-agent': 'Phone/1.0' },
      remoteAddress: '192.0.2.7',
    });
    const desk = await login(node, user, { headers: { 'user-agent': 'Desk/2.0' } });
    const gone = await login(node, user);
    await post(node, '/auth/logout', undefined, bearer(gone.access_token));
    const idle = await login(node, user);
    await sql(node, 'UPDATE refresh_tokens SET expires_at = now() WHERE id = $1', [sidOf(idle)]);
    await login(node, await aUser(node));

    const reply = await get(node, '/auth/devices', desk.access_token);
    expect(reply.statusCode).toBe(200);
    const { devices } = reply.json<{ devices: Device[] }>();
    expect(devices).toHaveLength(2);
    const times = {
      created_at: expect.stringMatching(TIME),
      last_used_at: expect.stringMatching(TIME),
      expires_at: expect.stringMatching(TIME),
    };
    expect(devices).toContainEqual({
      id: sidOf(phone),
      scheme: 'bearer',
      ...times,
      ip: '192.0.2.7',
      user_agent: 'Phone/1.0',
      current: false,
    });
    expect(devices).toContainEqual({
      id: sidOf(desk),
      scheme: 'bearer',
      ...times,
      ip: '127.0.0.1',
      user_agent: 'Desk/2.0',
      current: true,
    });
  });

  it('show when they were last used', async () => {
    const someone = await aUser(node);
    const tokens = await login(node, someone);
    await sql(node, `UPDATE refresh_tokens SET last_used_at = now() - interval '1 day' WHERE id = $1`, [
      sidOf(tokens),
    ]);
    const lastUsed = async () =>
      (await get(node, '/auth/devices', tokens.access_token)).json<{ devices: Device[] }>().devices[0]!
        .last_used_at;
    const before = await lastUsed();
    await refresh(node, tokens.refresh_token);
    expect(Date.parse(await lastUsed())).toBeGreaterThan(Date.parse(before));
  });

  it('can be logged out one by one, and only by their owner', async () => {
    const [mine, lost] = [await login(node, user), await login(node, user)];
    const stranger = await login(node, await aUser(node));
    const refused = await remove(sidOf(lost), stranger.access_token);
    expect(refused.statusCode).toBe(404);
    expect(refused.headers['cache-control']).toBe('no-store');
    expect(await verify(node, lost.access_token)).toBe('204');
    expect((await remove(sidOf(lost), mine.access_token)).statusCode).toBe(204);
    expect(await verify(node, lost.access_token)).toBe('401 token_revoked');
    expect((await remove(sidOf(lost), mine.access_token)).statusCode).toBe(204);
    expect(await verify(node, mine.access_token)).toBe('204');
  });

  it('include the calling device', async () => {
    const mine = await login(node, user);
    expect((await remove(sidOf(mine), mine.access_token)).statusCode).toBe(204);
    expect(await verify(node, mine.access_token)).toBe('401 token_revoked');
  });

  it('are answered with the same 404 for an unknown id and for the id of another user, and with 400 for an invalid id', async () => {
    const mine = await login(node, user);
    const stranger = await login(node, await aUser(node));
    const [unknown, foreign] = [
      await remove(randomUUID(), mine.access_token),
      await remove(sidOf(stranger), mine.access_token),
    ];
    expect(unknown.statusCode).toBe(404);
    expect(codeOf(foreign)).toBe(codeOf(unknown));
    expect((await remove('not-a-uuid', mine.access_token)).statusCode).toBe(400);
    expect(
      (await node.app.inject({ method: 'DELETE', url: `/auth/devices/${randomUUID()}` })).statusCode,
    ).toBe(401);
  });
});
