import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyRingService } from '../../src/tokens/keys/key-ring.service.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  bearer,
  codeOf,
  get,
  login,
  post,
  refresh,
  sidOf,
  sql,
  tryRefresh,
  verify,
} from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

describe('logging out', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    user = await aUser(node);
  });
  afterAll(() => node.close());

  it('revokes the family of the access token, and no other', async () => {
    const other = await login(node, user);
    const tokens = await login(node, user);
    const reply = await post(node, '/auth/logout', undefined, bearer(tokens.access_token));
    expect([reply.statusCode, reply.body]).toEqual([204, '']);
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_revoked');
    expect(await verify(node, other.access_token)).toBe('204');
  });

  it('revokes every access token of the family, also those of earlier refreshes', async () => {
    const first = await login(node, user);
    const second = await refresh(node, first.refresh_token);
    expect((await post(node, '/auth/logout', undefined, bearer(second.access_token))).statusCode).toBe(204);
    expect(await verify(node, first.access_token)).toBe('401 token_revoked');
  });

  it('accepts a refresh token in the body or the cookie, and a used one', async () => {
    const byBody = await login(node, user);
    expect((await post(node, '/auth/logout', { refresh_token: byBody.refresh_token })).statusCode).toBe(204);
    expect(await verify(node, byBody.access_token)).toBe('401 token_revoked');
    const byCookie = await login(node, user);
    const cookies = { refresh_token: byCookie.refresh_token };
    expect((await post(node, '/auth/logout', undefined, { cookies })).statusCode).toBe(204);
    expect(await verify(node, byCookie.access_token)).toBe('401 token_revoked');
    const spent = await login(node, user);
    await refresh(node, spent.refresh_token);
    expect((await post(node, '/auth/logout', { refresh_token: spent.refresh_token })).statusCode).toBe(204);
    expect(await verify(node, spent.access_token)).toBe('401 token_revoked');
  });

  it('revokes both families if the two tokens belong to different families', async () => {
    const [one, two] = [await login(node, user), await login(node, user)];
    const payload = { refresh_token: two.refresh_token };
    expect((await post(node, '/auth/logout', payload, bearer(one.access_token))).statusCode).toBe(204);
    expect(await verify(node, one.access_token)).toBe('401 token_revoked');
    expect(await verify(node, two.access_token)).toBe('401 token_revoked');
  });

  it('can be repeated, and writes one audit event', async () => {
    const tokens = await login(node, user);
    for (let time = 0; time < 3; time++) {
      expect((await post(node, '/auth/logout', undefined, bearer(tokens.access_token))).statusCode).toBe(204);
      expect((await post(node, '/auth/logout', { refresh_token: tokens.refresh_token })).statusCode).toBe(
        204,
      );
    }
    const events = await sql(node, `SELECT 1 FROM audit_events WHERE event = 'logout' AND sid = $1`, [
      sidOf(tokens),
    ]);
    expect(events).toHaveLength(1);
  });

  it('works with an expired access token, as long as its signature is ours', async () => {
    const tokens = await login(node, user);
    const claims = decodeJwt(tokens.access_token);
    const iat = claims.iat! - 5000;
    const expired = await node.app.get(KeyRingService).sign({ ...claims, iat, exp: iat + 900 }, Date.now());
    expect(await verify(node, expired)).toBe('401 token_expired');
    expect((await post(node, '/auth/logout', undefined, bearer(expired))).statusCode).toBe(204);
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
  });

  it('works with an expired refresh token', async () => {
    const tokens = await login(node, user);
    await sql(node, 'UPDATE refresh_tokens SET expires_at = now() WHERE id = $1', [sidOf(tokens)]);
    expect((await post(node, '/auth/logout', { refresh_token: tokens.refresh_token })).statusCode).toBe(204);
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
  });

  it('refuses tokens that are not ours', async () => {
    const none = await post(node, '/auth/logout');
    expect([none.statusCode, codeOf(none)]).toEqual([401, 'token_missing']);
    expect(none.headers['www-authenticate']).toBe('Bearer realm="tandem"');
    const forged = await post(node, '/auth/logout', undefined, bearer('invalid_token'));
    expect([forged.statusCode, codeOf(forged)]).toEqual([401, 'token_invalid']);
    expect(forged.headers['www-authenticate']).toContain('error="invalid_token"');
    const garbage = await post(node, '/auth/logout', { refresh_token: 'garbage' });
    expect([garbage.statusCode, codeOf(garbage)]).toEqual([401, 'refresh_token_invalid']);
    const tokens = await login(node, user);
    const [header, payload] = tokens.access_token.split('.');
    const unsigned = `${header}.${payload}.${'A'.repeat(342)}`;
    expect((await post(node, '/auth/logout', undefined, bearer(unsigned))).statusCode).toBe(401);
    expect(await verify(node, tokens.access_token)).toBe('204');
    for (const reply of [none, forged, garbage]) expect(reply.headers['cache-control']).toBe('no-store');
  });

  it.each([
    ['of another issuer', { iss: 'http://another.test' }],
    ['for another audience', { aud: 'another' }],
    ['with a text that is no role', { role: 'The Owner' }],
    ['with one claim more', { scope: 'all' }],
    ['with a session that is none', { sid: 'x' }],
  ])('refuses a token %s, even if our key signed it', async (_, wrong) => {
    const { access_token } = await login(node, user);
    const claims = { ...decodeJwt(access_token), ...wrong };
    const signed = await node.app.get(KeyRingService).sign(claims, Date.now());
    const reply = await post(node, '/auth/logout', undefined, bearer(signed));
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'token_invalid']);
    expect(await verify(node, access_token)).toBe('204');
  });

  it('everywhere revokes every family of the user and of nobody else, and clears the cookie', async () => {
    const [someone, another] = [await aUser(node), await aUser(node)];
    const logins = [await login(node, someone), await login(node, someone)];
    const bystander = await login(node, another);
    const reply = await post(node, '/auth/logout-all', undefined, bearer(logins[0]!.access_token));
    expect(reply.statusCode).toBe(204);
    const [cookie] = reply.cookies;
    expect(cookie).toMatchObject({ name: 'refresh_token', value: '', path: '/auth' });
    expect(cookie!.expires!.getTime()).toBeLessThan(Date.now());
    for (const { access_token, refresh_token } of logins) {
      expect(await verify(node, access_token)).toBe('401 token_revoked');
      expect(codeOf(await tryRefresh(node, refresh_token))).toBe('refresh_token_revoked');
    }
    expect(await verify(node, bystander.access_token)).toBe('204');
    const again = await login(node, someone);
    expect(await verify(node, again.access_token)).toBe('204');
    const events = await sql(node, `SELECT 1 FROM audit_events WHERE event = 'logout' AND user_id = $1`, [
      someone.id,
    ]);
    expect(events).toHaveLength(1);
  });

  it('everywhere needs an access token', async () => {
    const reply = await post(node, '/auth/logout-all');
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'token_missing']);
    expect((await get(node, '/auth/devices')).statusCode).toBe(401);
  });
});
