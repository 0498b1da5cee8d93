import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createVerifier } from '@tandem-auth/verifier';
import type { Verifier } from '@tandem-auth/verifier';
import { requireAuth } from '@tandem-auth/verifier/express';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, login } from '../../helpers/client.js';

const ISSUER = 'https://tandem.test';

describe('a service on Express that verifies tokens by itself', () => {
  let node: TestApp;
  let verifier: Verifier;
  let server: Server;
  let url: string;
  let token: string;

  beforeAll(async () => {
    node = await createTestApp({ env: { JWT_ISSUER: ISSUER }, listen: true });
    verifier = createVerifier({
      issuer: ISSUER,
      audience: 'api',
      fetch: (address, init) => fetch(address.replace(ISSUER, node.url), init),
    });
    await verifier.ready();
    const app = express();
    app.use('/orders', requireAuth(verifier), express.json());
    app.all('/orders', (request, response) => {
      response.json({ principal: request.principal, body: request.body as unknown });
    });
    app.get('/admin', requireAuth(verifier, { roles: ['admin'] }), (_, response) => {
      response.json({});
    });
    server = createServer(app).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    token = (await login(node)).access_token;
  });
  afterAll(async () => {
    verifier.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await node.close();
  });

  const ask = (path: string, authorization?: string, json?: string) =>
    fetch(`${url}${path}`, {
      ...(json !== undefined && { method: 'POST', body: json }),
      headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) },
    });

  it('learns who makes a request', async () => {
    const answer = await ask('/orders', `Bearer ${token}`);
    expect(answer.status).toBe(200);
    const { principal } = (await answer.json()) as { principal: object };
    const me = await node.app.inject({ url: '/api/users/me', headers: { authorization: `bearer ${token}` } });
    const { id } = me.json<{ id: string }>();
    expect(principal).toEqual({
      userId: id,
      role: 'admin',
      sid: expect.any(String) as string,
      scheme: 'bearer',
    });
  });

  it('reads the body of an accepted request afterwards', async () => {
    const answer = await ask('/orders', `Bearer ${token}`, '{"a":1}');
    expect(await answer.json()).toMatchObject({ body: { a: 1 } });
  });

  it('gives the answers of the service itself to every bad credential', async () => {
    const [header, payload, signature] = token.split('.');
    const credentials = [
      undefined,
      'Basic YTpi',
      'Bearer',
      'Bearer ',
      'Bearer a b',
      'Bearer x',
      `Bearer ${header}.${payload}`,
      `Bearer ${token}.`,
      `Bearer ${header}.${payload}.${signature!.slice(0, -2)}`,
      `Bearer ${payload}.${payload}.${signature}`,
      `Bearer ${header}.${payload}.${signature!.slice(0, -4)}AAAA`,
      `Bearer ${Buffer.from('{"alg":"none","typ":"at+jwt","kid":"x"}').toString('base64url')}.${payload}.AAAA`,
    ];
    for (const credential of credentials) {
      const ours = await ask('/orders', credential);
      const theirs = await fetch(`${node.url}/auth/verify`, {
        headers: credential === undefined ? {} : { authorization: credential },
      });
      const [mine, its] = await Promise.all([ours, theirs].map((answer) => shown(answer)));
      expect(mine, credential).toEqual(its);
      expect(mine!.status, credential).toBe(401);
    }
  });

  it('refuses a principal without the role of the route', async () => {
    expect((await ask('/admin', `Bearer ${token}`)).status).toBe(200);
    const { access_token } = await login(node, await aUser(node));
    const refused = await ask('/admin', `Bearer ${access_token}`);
    expect(refused.status).toBe(403);
    expect(refused.headers.get('x-auth-error')).toBe('forbidden');
    expect(await refused.json()).toMatchObject({ status: 403, code: 'forbidden' });
  });
});

/** What a client sees of a refusal. */
async function shown(answer: Response) {
  const { request_id: _, ...problem } = (await answer.json()) as { request_id?: string };
  const names = ['content-type', 'www-authenticate', 'x-auth-error', 'cache-control'];
  return { status: answer.status, headers: names.map((name) => answer.headers.get(name)), problem };
}
