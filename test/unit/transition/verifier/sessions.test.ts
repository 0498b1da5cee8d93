import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AuthError } from '@tandem-auth/verifier';
import { createTestKit } from '@tandem-auth/verifier/testing';
import { unavailable } from '../../../../packages/verifier/src/auth-error.js';
import { presentedRequest } from '../../../../packages/verifier/src/request.js';
import { MAX_AGE_MS, SessionAnswers } from '../../../../packages/verifier/src/service/sessions.js';
import { VerifyEndpoint } from '../../../../packages/verifier/src/service/verify-endpoint.js';
import type { Judgement } from '../../../../packages/verifier/src/service/verify-endpoint.js';

const USER = '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a01';
const PRINCIPAL = { userId: USER, role: 'user', scheme: 'session' } as const;
const COOKIE = 'session_id=s%3Aabc.def; theme=dark';

describe('the answers about sessions', () => {
  let now: number;
  let outcome: Judgement['outcome'];
  const ask = vi.fn<VerifyEndpoint['ask']>(() => Promise.resolve({ outcome, askedAt: now }));
  let answers: SessionAnswers;
  beforeEach(() => {
    now = 1_000;
    outcome = PRINCIPAL;
    ask.mockClear();
    answers = new SessionAnswers({ ask }, undefined, () => now);
  });
  const principalOf = (headers: Record<string, string>, method = 'GET') =>
    answers.principalOf(presentedRequest({ method, headers: { cookie: COOKIE, ...headers } }));

  it('come from the service, which sees the cookies, the method and where the request comes from', async () => {
    const origin = { origin: 'https://shop.test', 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' };
    expect(
      await principalOf({ ...origin, authorization: 'Basic x', 'x-forwarded-method': 'GET' }, 'DELETE'),
    ).toBe(PRINCIPAL);
    expect(ask.mock.calls).toEqual([[{ cookie: COOKIE, ...origin, 'x-forwarded-method': 'DELETE' }]]);
  });

  it('are used for less than a second, counted from when the service was asked', async () => {
    await principalOf({});
    now += MAX_AGE_MS - 1;
    await principalOf({});
    expect(ask).toHaveBeenCalledTimes(1);
    now += 1;
    outcome = new AuthError(401, 'session_invalid');
    await expect(principalOf({})).rejects.toMatchObject({ status: 401, code: 'session_invalid' });
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('are not used if they arrive after a second', async () => {
    ask.mockImplementationOnce(() => {
      const askedAt = now;
      now += MAX_AGE_MS;
      return Promise.resolve({ outcome, askedAt });
    });
    await expect(principalOf({})).rejects.toMatchObject({ status: 503 });
  });

  it('are shared by requests that are judged alike, and by no others', async () => {
    await Promise.all(Array.from({ length: 50 }, () => principalOf({})));
    expect(ask).toHaveBeenCalledTimes(1);
    const others: [Record<string, string>, string][] = [
      [{}, 'POST'],
      [{ cookie: 'session_id=other' }, 'GET'],
      [{ origin: 'https://evil.test' }, 'GET'],
      [{ 'sec-fetch-site': 'cross-site' }, 'GET'],
      [{ 'sec-fetch-mode': 'navigate' }, 'GET'],
      [{ 'x-http-method-override': 'DELETE' }, 'GET'],
    ];
    for (const [headers, method] of others) await principalOf(headers, method);
    expect(ask).toHaveBeenCalledTimes(1 + others.length);
  });

  it.each(['x-http-method-override', 'x-http-method', 'x-method-override', 'upgrade', 'sec-websocket-key'])(
    'name no method if %s may change it, so that the service takes it for one that changes state',
    async (name) => {
      await principalOf({ [name]: 'x' });
      expect(ask.mock.calls).toEqual([[{ cookie: COOKIE }]]);
    },
  );

  it('name no method if only headers are known', async () => {
    await answers.principalOf(presentedRequest({ cookie: COOKIE }));
    expect(ask.mock.calls).toEqual([[{ cookie: COOKIE }]]);
  });

  it('do not keep a failure', async () => {
    ask.mockRejectedValueOnce(unavailable());
    await expect(principalOf({})).rejects.toMatchObject({ status: 503 });
    expect(await principalOf({})).toBe(PRINCIPAL);
  });

  it('send only the named cookie, if one is named', async () => {
    answers = new SessionAnswers({ ask }, 'session_id', () => now);
    await principalOf({ cookie: 'a=b; session_id=one;session_id=two; c=d' });
    expect(ask.mock.calls[0]![0]['cookie']).toBe('session_id=one; session_id=two');
    expect(await principalOf({ cookie: 'xsession_id=one; c=d' })).toBeUndefined();
    expect(ask).toHaveBeenCalledTimes(1);
  });

  it('are held for a bounded number of requests, however many cookies a stranger invents', async () => {
    for (let i = 0; i < 12_000; i += 1) await principalOf({ cookie: `session_id=${i}` });
    expect(answers.size).toBeLessThanOrEqual(10_000);
    now += MAX_AGE_MS;
    await principalOf({});
    expect(answers.size).toBe(1);
  });
});

describe('the answers of /auth/verify', () => {
  const endpointOf = (response: () => Response) =>
    new VerifyEndpoint(
      'https://auth.tandem.test/',
      () => Promise.resolve(response()),
      new AbortController().signal,
    );
  const named = {
    'x-auth-user-id': USER,
    'x-auth-external-id': '-',
    'x-auth-role': 'user',
    'x-auth-scheme': 'session',
  };

  it('name the principal', async () => {
    const ask = (headers: object) =>
      endpointOf(() => new Response(null, { status: 204, headers: { ...named, ...headers } })).ask({});
    expect((await ask({})).outcome).toEqual(PRINCIPAL);
    expect((await ask({ 'x-auth-external-id': '4711' })).outcome).toEqual({
      ...PRINCIPAL,
      externalId: '4711',
    });
  });

  it.each([
    ['a brownout', 401, 'sessions_brownout', '30'],
    ['another site', 403, 'cross_site_request', undefined],
  ])('name the refusal for %s', async (_, status, code, retryAfter) => {
    const headers = { 'x-auth-error': code, ...(retryAfter !== undefined && { 'retry-after': retryAfter }) };
    const { outcome } = await endpointOf(() => new Response('{}', { status, headers })).ask({});
    expect(outcome).toMatchObject({ status, code });
    expect((outcome as AuthError).headers['Retry-After']).toBe(retryAfter);
  });

  it.each<[string, () => Response]>([
    ['an error', () => new Response('{}', { status: 500 })],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://evil.test' } })],
    ['a page of a proxy', () => new Response('<html>', { status: 200 })],
    ['a refusal without a code', () => new Response('{}', { status: 401 })],
    [
      'a refusal with a strange code',
      () => new Response('{}', { status: 401, headers: { 'x-auth-error': '"<script>' } }),
    ],
    ['no user', () => new Response(null, { status: 204 })],
    [
      'a strange role',
      () => new Response(null, { status: 204, headers: { ...named, 'x-auth-role': 'Root' } }),
    ],
    [
      'a strange scheme',
      () => new Response(null, { status: 204, headers: { ...named, 'x-auth-scheme': 'basic' } }),
    ],
  ])('are 503 if the service sends %s', async (_, response) => {
    await expect(endpointOf(response).ask({})).rejects.toMatchObject({
      status: 503,
      code: 'service_unavailable',
    });
  });
});

describe('the test kit', () => {
  it('makes sessions', async () => {
    const kit = await createTestKit({ cookie: 'connect.sid' });
    const headers = await kit.headers({ userId: USER, scheme: 'session', externalId: '4711' });
    expect(await kit.verifier.verify(headers)).toEqual({ ...PRINCIPAL, externalId: '4711' });
    await expect(kit.verifier.verify({ cookie: 'connect.sid=other' })).rejects.toMatchObject({
      code: 'session_invalid',
    });
    kit.revoke(USER);
    await expect(kit.verifier.verify(headers)).rejects.toMatchObject({ code: 'session_invalid' });
  });
});
