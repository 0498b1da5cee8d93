import { createServer } from 'node:net';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import axios from 'axios';
import type { AxiosError } from 'axios';
import { createAuthRefresh } from 'axios-auth-refresh';
import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { ROOT, aUser, bearer, login, post, sidOf, verify } from '../helpers/client.js';

/** Free a moment ago; the issuer has to be known before the service listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Libraries that others use, as they are, against a service that listens. It has no TLS here: each is told that this is meant. */
describe('an unmodified', () => {
  let node: TestApp;
  let issuer: string;
  let id: string;
  let secret: string;

  beforeAll(async () => {
    const port = await freePort();
    issuer = `http://127.0.0.1:${port}`;
    node = await createTestApp({ env: { JWT_ISSUER: issuer } });
    await node.app.listen(port, '127.0.0.1');
    const { access_token } = await login(node);
    const made = await post(node, '/admin/clients', { name: 'billing' }, bearer(access_token));
    ({ client_id: id, client_secret: secret } = made.json<{ client_id: string; client_secret: string }>());
  });
  afterAll(() => node.close());

  describe('oauth4webapi', () => {
    const insecure = { [oauth.allowInsecureRequests]: true };
    const server = async () => {
      const url = new URL(issuer);
      const response = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure });
      return oauth.processDiscoveryResponse(url, response);
    };
    const ways: [string, () => oauth.ClientAuth][] = [
      ['client_secret_basic', () => oauth.ClientSecretBasic(secret)],
      ['client_secret_post', () => oauth.ClientSecretPost(secret)],
    ];

    it.each(ways)('discovers, introspects, refreshes and revokes with %s', async (_, way) => {
      const as = await server();
      const client = { client_id: id };
      const introspect = async (token: string) =>
        oauth.processIntrospectionResponse(
          as,
          client,
          await oauth.introspectionRequest(as, client, way(), token, insecure),
        );
      const user = await aUser(node);
      const first = await login(node, user);
      expect(await introspect(first.access_token)).toMatchObject({
        active: true,
        sub: user.id,
        iss: issuer,
        sid: sidOf(first),
      });
      const second = await oauth.processRefreshTokenResponse(
        as,
        client,
        await oauth.refreshTokenGrantRequest(as, client, way(), first.refresh_token, insecure),
      );
      expect(await introspect(second.refresh_token!)).toMatchObject({ active: true });
      expect(await introspect(first.refresh_token)).toEqual({ active: false });
      const revoked = await oauth.revocationRequest(as, client, way(), second.refresh_token!, insecure);
      expect(await oauth.processRevocationResponse(revoked)).toBeUndefined();
      expect(await introspect(second.access_token)).toEqual({ active: false });
      expect(await verify(node, second.access_token)).toBe('401 token_revoked');
    });

    it('refreshes as a public client, and understands every refusal', async () => {
      const as = await server();
      const app = { client_id: 'a-mobile-app' };
      const refresh = async (token: string, way = oauth.None(), client: oauth.Client = app) =>
        oauth.processRefreshTokenResponse(
          as,
          client,
          await oauth.refreshTokenGrantRequest(as, client, way, token, insecure),
        );
      const first = await login(node, await aUser(node));
      const second = await refresh(first.refresh_token);
      expect(await verify(node, second.access_token)).toBe('204');
      await expect(refresh('nonsense')).rejects.toMatchObject({
        constructor: oauth.ResponseBodyError,
        error: 'invalid_grant',
        error_description: 'The refresh token is not valid',
        status: 400,
      });
      const unsupported = oauth.genericTokenEndpointRequest(as, app, oauth.None(), 'password', {}, insecure);
      await expect(
        unsupported.then((response) => oauth.processGenericTokenEndpointResponse(as, app, response)),
      ).rejects.toMatchObject({ error: 'unsupported_grant_type' });
      await expect(
        refresh(second.refresh_token!, oauth.ClientSecretBasic('wrong'), { client_id: id }),
      ).rejects.toMatchObject({
        constructor: oauth.WWWAuthenticateChallengeError,
        status: 401,
        cause: [{ scheme: 'bearer' }, { scheme: 'basic', parameters: { realm: 'tandem' } }],
      });
      const asked = await oauth.introspectionRequest(
        as,
        { client_id: id },
        oauth.ClientSecretPost('wrong'),
        'x',
        insecure,
      );
      await expect(oauth.processIntrospectionResponse(as, { client_id: id }, asked)).rejects.toThrow(
        oauth.WWWAuthenticateChallengeError,
      );
    });
  });

  it('openid-client discovers, introspects, refreshes and revokes', async () => {
    const config = await openid.discovery(new URL(issuer), id, secret, undefined, {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    const first = await login(node, await aUser(node));
    const second = await openid.refreshTokenGrant(config, first.refresh_token);
    expect(second.expires_in).toBe(900);
    expect(await openid.tokenIntrospection(config, second.access_token)).toMatchObject({ active: true });
    await openid.tokenRevocation(config, second.access_token);
    expect(await openid.tokenIntrospection(config, second.access_token)).toMatchObject({ active: false });
    await expect(openid.refreshTokenGrant(config, second.refresh_token!)).rejects.toMatchObject({
      error: 'invalid_grant',
      status: 400,
    });
  });

  it('jose verifies our tokens by the key set, and no others', async () => {
    const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
    const verifyBy = async (token: string) =>
      (await jwtVerify(token, keys, { issuer, audience: 'api', typ: 'at+jwt', algorithms: ['RS256'] }))
        .payload;
    const user = await aUser(node);
    const { access_token } = await login(node, user);
    expect(await verifyBy(access_token)).toMatchObject({ sub: user.id, role: 'user' });
    await expect(verifyBy(`${access_token.slice(0, -4)}AAAA`)).rejects.toMatchObject({
      code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    });
  });

  it('express-oauth2-jwt-bearer accepts our tokens in another API, and no others', async () => {
    const app = express();
    app.use(auth({ issuerBaseURL: issuer, audience: 'api', tokenSigningAlg: 'RS256' }));
    app.get('/orders', (request, response) => {
      response.json({ sub: request.auth?.payload.sub });
    });
    // Four arguments are what makes it a handler of errors.
    app.use((error: { status?: number }, _request: Request, response: Response, _next: NextFunction) => {
      response.sendStatus(error.status ?? 500);
    });
    const api: Server = app.listen(0, '127.0.0.1');
    await once(api, 'listening');
    try {
      const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/orders`;
      const user = await aUser(node);
      const { access_token, refresh_token } = await login(node, user);
      const reply = await fetch(url, bearer(access_token));
      expect([reply.status, await reply.json()]).toEqual([200, { sub: user.id }]);
      for (const token of [refresh_token, `${access_token.slice(0, -4)}AAAA`])
        expect((await fetch(url, bearer(token))).status).toBe(401);
    } finally {
      api.close();
      api.closeAllConnections();
    }
  });

  it.each([
    ['one call after the other', true, 1],
    // So that a 401 which arrives while another's refresh is running is retried as well.
    ['many calls at once', false, 10],
  ])(
    'axios with axios-auth-refresh notices nothing of tokens that end: %s',
    async (_, deduplicateRefresh, calls) => {
      const user = await aUser(node);
      let tokens = await login(node, user);
      const api = axios.create({ baseURL: issuer });
      api.interceptors.request.use((request) => {
        request.headers.set('Authorization', `Bearer ${tokens.access_token}`);
        return request;
      });
      const refresh = async () => {
        const { refresh_token } = tokens;
        tokens = (await axios.post<typeof tokens>(`${issuer}/auth/refresh`, { refresh_token })).data;
      };
      createAuthRefresh(api as never, refresh, { deduplicateRefresh });
      const root = bearer((await login(node, ROOT)).access_token);
      for (const role of ['admin', 'user', 'admin']) {
        // A role change refuses the user's access tokens; the login lives on.
        const change = {
          method: 'PATCH',
          url: `/admin/users/${user.id}`,
          payload: { role },
          ...root,
        } as const;
        expect((await node.app.inject(change)).statusCode).toBe(200);
        const replies = await Promise.all(
          Array.from({ length: calls }, () => api.get<{ role: string }>('/api/users/me')),
        );
        expect(replies.map(({ data }) => data.role)).toEqual(replies.map(() => role));
      }
      await post(node, '/auth/logout', { refresh_token: tokens.refresh_token });
      await expect(api.get('/api/users/me')).rejects.toSatisfy(
        (error: AxiosError<{ code: string }>) => error.response?.data.code === 'refresh_token_revoked',
      );
    },
  );
});
