import { createVerifier } from '@tandem-auth/verifier';
import type { AuthError, RequestLike, Verifier } from '@tandem-auth/verifier';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../../helpers/app.js';
import type { TestApp } from '../../../helpers/app.js';
import { aUser, bearer, login, post } from '../../../helpers/client.js';
import type { Account } from '../../../helpers/client.js';
import { SECRET, bySession, sessionLogin } from '../session-client.js';

const POLL = { timeout: 20_000 };

describe('a service that accepts session cookies too', () => {
  let node: TestApp;
  let verifier: Verifier;
  let user: Account;
  let cookie: string;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET }, listen: true });
    user = await aUser(node);
    cookie = await sessionLogin(node, user);
    verifier = createVerifier({
      issuer: 'http://tandem.test',
      audience: 'api',
      sessions: true,
      fetch: (url, init) => fetch(url.replace('http://tandem.test', node.url), init),
    });
    await verifier.ready();
  });
  afterAll(async () => {
    verifier.close();
    await node.close();
  });

  const outcomeOf = (headers: Record<string, string>, method: RequestLike['method'] = 'GET') =>
    verifier.verify({ method, headers }).then(
      ({ scheme }) => scheme,
      ({ status, code }: AuthError) => `${status} ${code}`,
    );

  it('learns who the session belongs to', async () => {
    const principal = await verifier.verify({ method: 'GET', headers: { cookie } });
    expect(principal).toEqual({ userId: user.id, role: 'user', scheme: 'session' });
  });

  it('lets the service judge whether another site sends the request', async () => {
    const page = { cookie, 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' };
    expect(await outcomeOf(page)).toBe('session');
    expect(await outcomeOf(page, 'POST')).toBe('403 cross_site_request');
    expect(await outcomeOf({ ...page, 'x-forwarded-method': 'GET' }, 'DELETE')).toBe(
      '403 cross_site_request',
    );
    expect(await outcomeOf({ ...page, 'x-http-method-override': 'PUT' })).toBe('403 cross_site_request');
    expect(await outcomeOf({ cookie, 'sec-fetch-site': 'same-origin' }, 'POST')).toBe('session');
  });

  it('judges a request with both credentials by the token alone', async () => {
    const { access_token } = await login(node);
    expect(await outcomeOf({ cookie, ...bearer(access_token).headers })).toBe('bearer');
    expect(await outcomeOf({ cookie, authorization: 'Bearer x' })).toBe('401 token_malformed');
  });

  it('refuses cookies that are no session', async () => {
    expect(await outcomeOf({ cookie: 'session_id=s%3Ainvented.x' })).toBe('401 session_invalid');
    expect(await outcomeOf({ cookie: 'theme=dark' })).toBe('401 token_missing');
  });

  it('learns of a logout as soon as an answer is a second old', async () => {
    const own = await sessionLogin(node, user);
    expect(await outcomeOf({ cookie: own })).toBe('session');
    expect((await bySession(node, own, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    await expect.poll(() => outcomeOf({ cookie: own }), POLL).toBe('401 session_invalid');
  });

  it('refuses all sessions after the sunset, with the code of the service', async () => {
    const { access_token } = await login(node);
    const sunset = { phase: 'sessions_removed' };
    const changed = await node.app.inject({
      method: 'PATCH',
      url: '/admin/rollout',
      payload: sunset,
      ...bearer(access_token),
    });
    expect(changed.statusCode, changed.body).toBe(200);
    await expect.poll(() => outcomeOf({ cookie }), POLL).toBe('401 sessions_removed');
    await post(node, '/admin/rollout/rollback', {}, bearer(access_token));
  });
});
