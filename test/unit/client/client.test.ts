import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuthError, createAuthClient } from '@tandem-auth/client';
import type { AuthClient, AuthClientOptions } from '@tandem-auth/client';
import { MapStorage } from '../../helpers/client-storage.js';

const BASE = 'https://auth.example/tandem';
const KEY = `tandem ${BASE}/`;

/** A token with the claims that the client reads. */
function accessToken(sub = 'user', number = 1): string {
  return `${number}.${btoa(JSON.stringify({ sub, sid: 'family' }))}.signature`;
}

function tokens(number: number, more: object = {}): Response {
  const body = {
    access_token: accessToken('user', number),
    refresh_token: `refresh-${number}`,
    expires_in: 900,
  };
  return Response.json({ ...body, ...more });
}

function refusal(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ code }, { status, headers });
}

type Answer = () => Response | Promise<Response>;

/** Within this time a client notices that no other tab has a call under way. */
const POLL = 5;

const offline: Answer = () => Promise.reject(new TypeError('no network'));

describe('the client', () => {
  const storage = new MapStorage();
  let calls: { readonly path: string; readonly init: RequestInit }[];
  let answers: Answer[];
  let client: AuthClient | undefined;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    storage.values.clear();
    calls = [];
    answers = [];
  });
  afterEach(() => {
    client?.dispose();
    vi.useRealTimers();
  });

  /** A client whose service gives these answers, one after the other. */
  function start(next: Answer[], options: Partial<AuthClientOptions> = {}): AuthClient {
    answers = next;
    client = createAuthClient({
      baseUrl: BASE,
      storage,
      fetch: async (input, init = {}) => {
        calls.push({ path: new URL(input as string).pathname, init });
        const answer = answers.shift();
        if (answer === undefined) throw new Error(`unexpected call of ${new URL(input as string).href}`);
        return answer();
      },
      ...options,
    });
    return client;
  }

  const signedInBefore = () => storage.setItem(KEY, 'tandem1 family refresh-0 ');

  /** Runs the timers until the promise has settled. */
  async function settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const end = () => void (settled = true);
    promise.then(end, end);
    while (!settled) await vi.advanceTimersByTimeAsync(100);
    return promise;
  }

  /** Another tab sends a message. */
  async function tell(message: unknown): Promise<void> {
    const [other, mirror] = [new BroadcastChannel(KEY), new BroadcastChannel(KEY)];
    const sent = new Promise((resolve) => (mirror.onmessage = resolve));
    other.postMessage(message);
    await sent;
    other.close();
    mirror.close();
  }

  it('does not call the service for a visitor who never signed in', async () => {
    const { state, getAccessToken } = start([]);
    expect([state, await getAccessToken()]).toEqual(['signed-out', undefined]);
    expect(calls).toEqual([]);
  });

  it('refreshes once at the start if there is a login, and once for many requests', async () => {
    signedInBefore();
    const { getAccessToken, fetch } = start([
      () => tokens(1),
      () => new Response('a'),
      () => new Response('b'),
    ]);
    expect(client!.state).toBe('unverified');
    await settle(Promise.all([getAccessToken(), fetch('api/a'), fetch('api/b')]));
    expect(calls.map(({ path }) => path)).toEqual(['/tandem/auth/refresh', '/tandem/api/a', '/tandem/api/b']);
    expect(calls[0]!.init).toMatchObject({ redirect: 'error', body: '{"refresh_token":"refresh-0"}' });
    expect(new Headers(calls[1]!.init.headers).get('authorization')).toBe(`Bearer ${accessToken()}`);
    expect([client!.state, storage.value]).toEqual(['signed-in', 'tandem1 family refresh-1 ']);
  });

  it.each([
    ['without a network', offline],
    ['on a 503', () => refusal(503, 'service_unavailable')],
    ['on a 500', () => refusal(500, 'internal')],
    ['on a 429', () => refusal(429, 'rate_limited')],
    ['on half an answer', () => new Response('{"access_token":"x')],
    ['on a page instead of tokens', () => Response.json({ login: 'please' })],
  ])('keeps the login %s, after three attempts', async (_name, answer) => {
    signedInBefore();
    const { getAccessToken } = start([answer, answer, answer, () => tokens(1)]);
    await expect(settle(getAccessToken())).rejects.toThrow();
    expect([calls.length, client!.state, storage.value]).toEqual([
      3,
      'unverified',
      'tandem1 family refresh-0 ',
    ]);
    expect(await settle(getAccessToken())).toBe(accessToken());
    expect(client!.state).toBe('signed-in');
  });

  it.each([
    ['as long as Retry-After says', '2', 2_000],
    ['at most five seconds', '3600', 5_000],
  ])('waits %s before the next attempt', async (_name, retryAfter, milliseconds) => {
    signedInBefore();
    start([() => refusal(503, 'service_unavailable', { 'retry-after': retryAfter }), () => tokens(1)]);
    await vi.advanceTimersByTimeAsync(milliseconds);
    expect(calls.length).toBe(1);
    await vi.advanceTimersByTimeAsync(2 * POLL);
    expect(calls.length).toBe(2);
  });

  /** Never answers, as after a peer has lost its power. */
  const hanging: Answer = () =>
    new Promise((_resolve, reject) => {
      calls.at(-1)!.init.signal!.addEventListener('abort', () => reject(new Error('aborted')));
    });

  it.each([
    ['call that gets no answer', hanging],
    ['call whose fetch ignores the signal', () => new Promise<Response>(() => {})],
    [
      'call whose body does not end',
      () => Object.assign(new Response(), { text: () => new Promise<string>(() => {}) }),
    ],
  ])('gives up on a %s within 15 seconds, and tries again', async (_name, answer) => {
    signedInBefore();
    const { getAccessToken } = start([answer, () => tokens(1)]);
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(14_999);
    expect(calls.length).toBe(1);
    expect(await settle(token)).toBe(accessToken());
  });

  it('ends the login on a 401 from the refresh, and only then', async () => {
    signedInBefore();
    const states: string[] = [];
    const { getAccessToken, on } = start([() => refusal(401, 'refresh_token_revoked')]);
    on('state', (state) => states.push(state));
    expect(await settle(getAccessToken())).toBeUndefined();
    expect([states, storage.value]).toEqual([['signed-out'], undefined]);
  });

  it('keeps the login if the service forbids tokens and there is no cookie jar for a session', async () => {
    signedInBefore();
    const { getAccessToken } = start([() => refusal(403, 'jwt_not_enabled')]);
    await expect(settle(getAccessToken())).rejects.toEqual(new AuthError(403, 'jwt_not_enabled'));
    expect(storage.value).toBe('tandem1 family refresh-0 ');
  });

  it('renews in the background during the last 30 seconds and waits for it only after the expiry', async () => {
    signedInBefore();
    const { getAccessToken } = start([() => tokens(1)]);
    await settle(getAccessToken());
    await vi.advanceTimersByTimeAsync(869_000);
    expect(await getAccessToken()).toBe(accessToken('user', 1));
    expect(calls.length).toBe(1);
    answers.push(
      () => tokens(2),
      () => tokens(3),
    );
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await getAccessToken()).toBe(accessToken('user', 1));
    await vi.advanceTimersByTimeAsync(POLL);
    expect(await getAccessToken()).toBe(accessToken('user', 2));
    await vi.advanceTimersByTimeAsync(900_000);
    expect(await settle(getAccessToken())).toBe(accessToken('user', 3));
    expect(calls.length).toBe(3);
  });

  it('ignores jumps of the wall clock', async () => {
    signedInBefore();
    const { getAccessToken } = start([() => tokens(1)]);
    await settle(getAccessToken());
    const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000);
    expect(await getAccessToken()).toBe(accessToken());
    now.mockReturnValue(0);
    expect(await getAccessToken()).toBe(accessToken());
    now.mockRestore();
    expect(calls.length).toBe(1);
  });

  it.each(['token_expired', 'token_revoked'])('refreshes and repeats once on %s', async (code) => {
    signedInBefore();
    const { fetch } = start([
      () => tokens(1),
      () => refusal(401, code),
      () => tokens(2),
      () => refusal(401, code),
    ]);
    const answer = await settle(fetch('/api', { method: 'POST', body: 'again' }));
    expect([answer.status, await answer.json()]).toEqual([401, { code }]);
    expect(calls.map(({ path }) => path)).toEqual([
      '/tandem/auth/refresh',
      '/api',
      '/tandem/auth/refresh',
      '/api',
    ]);
    expect(calls[3]!.init).toMatchObject({ method: 'POST', body: 'again' });
  });

  it.each([
    ['a 401 with another code', () => refusal(401, 'token_invalid')],
    ['a 401 of somebody else', () => new Response('who are you', { status: 401 })],
    ['a 403', () => refusal(403, 'forbidden')],
    ['a 500', () => refusal(500, 'token_expired')],
  ])('passes %s through', async (_name, answer) => {
    signedInBefore();
    const { fetch } = start([() => tokens(1), answer]);
    expect((await settle(fetch('/api'))).status).toBe(answer().status);
    expect(calls.length).toBe(2);
  });

  it('believes the code in the header if a proxy has replaced the body', async () => {
    signedInBefore();
    const replaced = () =>
      new Response('<h1>401</h1>', { status: 401, headers: { 'x-auth-error': 'token_expired' } });
    const { fetch } = start([() => tokens(1), replaced, () => tokens(2), () => new Response('ok')]);
    expect((await settle(fetch('/api'))).status).toBe(200);
  });

  it.each([
    ['a stream', () => new ReadableStream()],
    ['an async iterable', () => (async function* () {})() as unknown as string],
  ])('refreshes but does not repeat a request whose body is %s', async (_name, body) => {
    signedInBefore();
    const { fetch } = start([() => tokens(1), () => refusal(401, 'token_expired'), () => tokens(2)]);
    expect((await settle(fetch('/api', { method: 'POST', body: body() }))).status).toBe(401);
    expect(calls.length).toBe(3);
  });

  it('leaves a request alone that brings its own Authorization', async () => {
    signedInBefore();
    const { fetch } = start([() => tokens(1), () => refusal(401, 'token_expired')]);
    await vi.advanceTimersByTimeAsync(POLL);
    await fetch('/api', { headers: { authorization: 'Basic eDp5' } });
    expect(new Headers(calls[1]!.init.headers).get('authorization')).toBe('Basic eDp5');
    expect(calls.length).toBe(2);
  });

  it('lets the caller abort while a refresh is under way', async () => {
    signedInBefore();
    const { fetch } = start([() => new Promise(() => {})]);
    const controller = new AbortController();
    const answer = fetch('/api', { signal: controller.signal });
    controller.abort(new Error('not needed any more'));
    await expect(answer).rejects.toThrow('not needed any more');
  });

  it.each([
    'https://evil.example',
    '//evil.example/api',
    '\\\\evil.example/api',
    'http://auth.example/api',
    'https://auth.example:8443/api',
    'https://auth.example.evil.example/api',
    'https://auth.example@evil.example/',
    'blob:https://auth.example/0d1a5b9e-6a3f-4a1e-9f0a-1b2c3d4e5f60',
    'data:text/plain,x',
    'javascript:alert(1)',
  ])('throws for %s and sends nothing there', async (url) => {
    signedInBefore();
    const { fetch } = start([() => tokens(1)]);
    await expect(fetch(url)).rejects.toThrow('is not an origin of this client');
    await vi.advanceTimersByTimeAsync(POLL);
    expect(calls.map(({ path }) => path)).toEqual(['/tandem/auth/refresh']);
  });

  it('sends the token to the origins that the options list', async () => {
    signedInBefore();
    const { fetch } = start([() => tokens(1), () => new Response()], {
      origins: ['https://api.example/ignored'],
    });
    await settle(fetch('https://api.example/orders'));
    expect(new Headers(calls[1]!.init.headers).has('authorization')).toBe(true);
  });

  it('throws if the answer comes from another origin', async () => {
    signedInBefore();
    const redirected = () => Object.defineProperty(new Response(), 'url', { value: 'https://evil.example/' });
    const { fetch } = start([() => tokens(1), redirected]);
    await expect(settle(fetch('/api'))).rejects.toThrow(
      'https://evil.example is not an origin of this client',
    );
  });

  it('follows no redirect below auth/, and believes no answer of one', async () => {
    const redirected = () => Object.defineProperty(tokens(1), 'redirected', { value: true });
    const { fetch, login } = start([() => new Response(), redirected]);
    await fetch('auth/devices', { redirect: 'follow' });
    expect(calls[0]!.init.redirect).toBe('error');
    await expect(login({ username: 'a', password: 'b' })).rejects.toThrow('was redirected');
    expect(storage.value).toBeUndefined();
  });

  it('refuses a login with the status and code of the service', async () => {
    const { login } = start([() => refusal(401, 'invalid_credentials')]);
    const error: unknown = await login({ username: 'a', password: 'b' }).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({ status: 401, code: 'invalid_credentials', name: 'AuthError' });
  });

  it('revokes the tokens of a login that a logout has overtaken', async () => {
    let answer!: (response: Response) => void;
    const { login, logout } = start([
      () => new Promise<Response>((resolve) => (answer = resolve)),
      () => new Response(null, { status: 204 }),
    ]);
    const begun = login({ username: 'a', password: 'b' });
    await vi.advanceTimersByTimeAsync(POLL);
    await logout();
    answer(tokens(1));
    await expect(begun).rejects.toThrow('another login or logout has begun');
    expect(calls[1]).toMatchObject({
      path: '/tandem/auth/logout',
      init: { body: '{"refresh_token":"refresh-1"}' },
    });
    expect([client!.state, storage.value]).toEqual(['signed-out', undefined]);
  });

  it('aborts its refresh when a login begins, and sends none before the login is answered', async () => {
    signedInBefore();
    let answer!: (response: Response) => void;
    const { login, getAccessToken } = start([
      hanging,
      () => new Promise<Response>((resolve) => (answer = resolve)),
    ]);
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(POLL);
    const begun = login({ username: 'a', password: 'b' });
    expect(calls[0]!.init.signal!.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(calls.map(({ path }) => path)).toEqual(['/tandem/auth/refresh', '/tandem/auth/login']);
    answer(tokens(1));
    await begun;
    expect(await settle(token)).toBe(accessToken());
    expect(calls.length).toBe(2);
  });

  it('refreshes the stored login after another login was refused', async () => {
    signedInBefore();
    const { login, getAccessToken } = start([
      hanging,
      () => refusal(401, 'invalid_credentials'),
      () => tokens(1),
    ]);
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(POLL);
    await expect(login({ username: 'a', password: 'b' })).rejects.toEqual(
      new AuthError(401, 'invalid_credentials'),
    );
    expect(await settle(token)).toBe(accessToken());
    expect(client!.state).toBe('signed-in');
  });

  it('does not replace a stored login by that of a cookie which came late', async () => {
    storage.setItem(KEY, 'tandem1 newer  ');
    const { getAccessToken } = start([() => tokens(1, { refresh_token: undefined })], {
      delivery: 'cookie',
    });
    expect(await settle(getAccessToken())).toBeUndefined();
    expect([client!.state, storage.value]).toEqual(['signed-out', undefined]);
  });

  it('uses the refresh token of another tab after that has exchanged the session', async () => {
    storage.setItem(KEY, 'tandem1 old  s');
    const { getAccessToken } = start(
      [
        () => Response.json({ eligible: true }),
        () => refusal(409, 'already_exchanged'),
        () => tokens(1, { refresh_token: undefined }),
      ],
      { delivery: 'cookie' },
    );
    await vi.advanceTimersByTimeAsync(100);
    expect(await getAccessToken()).toBe(accessToken());
    expect(storage.value).toBe('tandem1 family  ');
  });

  it('never stores the result of a refresh over a logout', async () => {
    signedInBefore();
    let answer!: (response: Response) => void;
    const { logout, getAccessToken } = start([
      () => new Promise<Response>((resolve) => (answer = resolve)),
      () => new Response(null, { status: 204 }),
    ]);
    await vi.advanceTimersByTimeAsync(POLL);
    await logout();
    answer(tokens(1));
    await vi.advanceTimersByTimeAsync(POLL);
    expect([client!.state, storage.value, await getAccessToken()]).toEqual([
      'signed-out',
      undefined,
      undefined,
    ]);
  });

  it('notices a login in another tab while it asks whether there is a session', async () => {
    let answer!: (response: Response) => void;
    start([() => new Promise<Response>((resolve) => (answer = resolve)), () => tokens(1)], {
      delivery: 'cookie',
    });
    await vi.advanceTimersByTimeAsync(POLL);
    signedInBefore();
    await tell('changed');
    answer(Response.json({}));
    await vi.advanceTimersByTimeAsync(POLL);
    expect(client!.state).toBe('signed-in');
    expect(calls.map(({ path }) => path)).toEqual(['/tandem/auth/migration', '/tandem/auth/refresh']);
  });

  it('stays signed in by a login that overtakes the question whether there is a session, without a refresh', async () => {
    let answer!: (response: Response) => void;
    const { login, getAccessToken } = start(
      [() => new Promise<Response>((resolve) => (answer = resolve)), () => tokens(1)],
      { delivery: 'cookie' },
    );
    await vi.advanceTimersByTimeAsync(POLL);
    await login({ username: 'a', password: 'b' });
    answer(Response.json({}));
    await vi.advanceTimersByTimeAsync(POLL);
    expect([client!.state, await getAccessToken()]).toEqual(['signed-in', accessToken()]);
    expect(calls.map(({ path }) => path)).toEqual(['/tandem/auth/migration', '/tandem/auth/login']);
  });

  it('repeats no request that began with a session, whose user is not known, after a login in another tab', async () => {
    storage.setItem(KEY, 'tandem1 -  s');
    let refuse!: (response: Response) => void;
    const { fetch } = start(
      [
        () => Response.json({ eligible: false }),
        () => new Promise<Response>((resolve) => (refuse = resolve)),
        () => tokens(1, { refresh_token: undefined }),
      ],
      { delivery: 'cookie' },
    );
    await vi.advanceTimersByTimeAsync(POLL);
    const answer = fetch('/api', { method: 'POST', body: 'an order' });
    await vi.advanceTimersByTimeAsync(POLL);
    storage.setItem(KEY, 'tandem1 family  ');
    refuse(refusal(401, 'session_invalid'));
    expect((await settle(answer)).status).toBe(401);
    expect(calls.map(({ path }) => path)).toEqual(['/tandem/auth/migration', '/api', '/tandem/auth/refresh']);
    expect(client!.state).toBe('signed-in');
  });

  it('starts on data of another version as if nobody were signed in, and leaves the data alone', async () => {
    storage.setItem(KEY, 'tandem2 future');
    const { state, getAccessToken, logout } = start([]);
    await logout();
    expect([state, await getAccessToken(), storage.value]).toEqual([
      'signed-out',
      undefined,
      'tandem2 future',
    ]);
  });

  it('sends no refresh while an overtaken one of another tab may be on its way, and waits for no tab that hangs', async () => {
    signedInBefore();
    const { getAccessToken } = start([() => tokens(1, { expires_in: 1 })]);
    await settle(getAccessToken());
    await vi.advanceTimersByTimeAsync(1_000);
    // Two others refresh. The second hangs.
    for (const message of ['+0.1', '+0.2', '-0.1']) await tell(message);
    answers.push(() => tokens(2));
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(2_190);
    expect(calls.length).toBe(1);
    expect(await settle(token)).toBe(accessToken('user', 2));
    // Messages that mean nothing end no login and delay nothing.
    for (const message of ['changed', 'another family', { type: 'logout' }, null, '']) await tell(message);
    expect([client!.state, calls.length]).toEqual(['signed-in', 2]);
  });

  it('refreshes as soon as the refreshes of the other tabs have ended', async () => {
    signedInBefore();
    const { getAccessToken } = start([() => tokens(1, { expires_in: 1 })]);
    await settle(getAccessToken());
    await vi.advanceTimersByTimeAsync(1_000);
    for (const message of ['+0.1', '+0.2']) await tell(message);
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(100);
    await tell('-0.1');
    await vi.advanceTimersByTimeAsync(100);
    expect(calls.length).toBe(1);
    answers.push(() => tokens(2));
    // It was refused, and has set nothing.
    await tell('=0.2');
    await vi.advanceTimersByTimeAsync(POLL);
    expect(calls.length).toBe(2);
    expect(await settle(token)).toBe(accessToken('user', 2));
  });

  it('joins the refresh of another tab at once, so that a tab that hangs delays nobody', async () => {
    signedInBefore();
    const { getAccessToken } = start([() => tokens(1)]);
    await tell('+0.1');
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(POLL);
    expect(calls.length).toBe(1);
    expect(await settle(token)).toBe(accessToken());
  });

  it('forgets after 15 seconds that tabs which hang have begun to refresh', async () => {
    signedInBefore();
    const { getAccessToken } = start([() => tokens(1, { expires_in: 1 })]);
    await settle(getAccessToken());
    for (const message of ['+0.1', '+0.2', '+0.3']) await tell(message);
    await vi.advanceTimersByTimeAsync(15_000);
    answers.push(() => tokens(2));
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(POLL);
    expect(calls.length).toBe(2);
    expect(await settle(token)).toBe(accessToken('user', 2));
  });

  it('keeps the login after a 401 while another tab may have spent the refresh token for a session', async () => {
    signedInBefore();
    const { getAccessToken } = start([], { fetch: async () => refusal(401, 'refresh_token_revoked') });
    await tell('+0.1');
    await expect(settle(getAccessToken())).rejects.toThrow('another tab is busy');
    expect([client!.state, storage.value]).toEqual(['unverified', 'tandem1 family refresh-0 ']);
    await tell('=0.1');
    expect(await settle(getAccessToken())).toBeUndefined();
    expect([client!.state, storage.value]).toEqual(['signed-out', undefined]);
  });

  it('keeps one timer for each call of another tab', async () => {
    start([]);
    for (let number = 0; number < 30; number++) await tell(`+0.${number}`);
    expect(vi.getTimerCount()).toBe(30);
  });

  it('tells the other tabs when a refresh begins and how it ends', async () => {
    signedInBefore();
    const channel = new BroadcastChannel(KEY);
    const messages: string[] = [];
    channel.onmessage = ({ data }) => void messages.push(data as string);
    const { getAccessToken } = start([() => refusal(503, 'service_unavailable'), offline, () => tokens(1)]);
    await settle(getAccessToken());
    await expect.poll(() => messages.length).toBe(6);
    channel.close();
    expect(messages.map((each) => each[0])).toEqual(['+', '=', '+', '-', '+', '-']);
    expect(messages[0]!.slice(1)).toBe(messages[1]!.slice(1));
    expect(new Set(messages.map((each) => each.slice(1))).size).toBe(3);
  });

  it('aborts its refresh a second after that of another tab, and tries again at once', async () => {
    signedInBefore();
    const { getAccessToken } = start([hanging, () => tokens(2)]);
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(100);
    for (const message of ['+0.1', '-0.1']) await tell(message);
    await vi.advanceTimersByTimeAsync(999);
    expect(calls[0]!.init.signal!.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls[0]!.init.signal!.aborted).toBe(true);
    expect(await settle(token)).toBe(accessToken('user', 2));
    expect(calls.length).toBe(2);
  });

  it('aborts its refresh as soon as a login begins in another tab, and waits for that', async () => {
    signedInBefore();
    const { getAccessToken } = start([hanging, () => tokens(2)]);
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(100);
    await tell('!0.1');
    await vi.advanceTimersByTimeAsync(1);
    expect(calls[0]!.init.signal!.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(calls.length).toBe(1);
    await tell('-0.1');
    expect(await settle(token)).toBe(accessToken('user', 2));
    expect(calls.length).toBe(2);
  });

  it('tells the other tabs that a login begins and has ended', async () => {
    const channel = new BroadcastChannel(KEY);
    const messages: string[] = [];
    channel.onmessage = ({ data }) => void messages.push((data as string)[0]!);
    await start([() => tokens(1)]).login({ username: 'a', password: 'b' });
    await expect.poll(() => messages.length).toBe(3);
    channel.close();
    expect(messages).toEqual(['!', '-', 'c']);
  });

  it('aborts nothing when a refresh of another tab was refused', async () => {
    signedInBefore();
    start([hanging]);
    await vi.advanceTimersByTimeAsync(100);
    for (const message of ['+0.1', '=0.1']) await tell(message);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(calls[0]!.init.signal!.aborted).toBe(false);
  });

  it('sends no second refresh while another tab may still send the token that the first one replaced', async () => {
    signedInBefore();
    const { getAccessToken } = start([() => tokens(1, { expires_in: 1 })]);
    await tell('+0.1');
    await settle(getAccessToken());
    await vi.advanceTimersByTimeAsync(950);
    answers.push(() => tokens(2));
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(100);
    expect(calls.length).toBe(1);
    await tell('=0.1');
    expect(await settle(token)).toBe(accessToken('user', 2));
    expect(calls.length).toBe(2);
  });

  it('says that a refresh which it aborts has set nothing, so that it overtakes nobody', async () => {
    signedInBefore();
    const channel = new BroadcastChannel(KEY);
    const messages: string[] = [];
    channel.onmessage = ({ data }) => void messages.push((data as string)[0]!);
    const { getAccessToken } = start([hanging, () => tokens(2)]);
    const token = getAccessToken();
    await vi.advanceTimersByTimeAsync(100);
    for (const message of ['+0.1', '-0.1']) await tell(message);
    await settle(token);
    await expect.poll(() => messages.length).toBe(6);
    channel.close();
    expect(messages).toEqual(['+', '+', '-', '=', '+', '-']);
  });

  it('repeats a downgrade whose answer was lost, and no refresh, because the refresh token is spent', async () => {
    signedInBefore();
    const { getAccessToken } = start(
      [() => refusal(403, 'jwt_not_enabled'), offline, () => Response.json({ user: {} })],
      { delivery: 'cookie' },
    );
    expect(await settle(getAccessToken())).toBeUndefined();
    expect(calls.map(({ path }) => path)).toEqual([
      '/tandem/auth/refresh',
      '/tandem/auth/downgrade',
      '/tandem/auth/downgrade',
    ]);
    expect([client!.state, storage.value]).toEqual(['signed-in', 'tandem1 family  s']);
  });

  it('refreshes again after the service has refused a downgrade', async () => {
    signedInBefore();
    const { getAccessToken } = start(
      [() => refusal(403, 'jwt_not_enabled'), () => refusal(410, 'sessions_removed'), () => tokens(1)],
      { delivery: 'cookie' },
    );
    await expect(settle(getAccessToken())).rejects.toEqual(new AuthError(410, 'sessions_removed'));
    expect(await settle(getAccessToken())).toBe(accessToken());
  });

  it('does not abort a downgrade after a call of another tab, but by dispose()', async () => {
    signedInBefore();
    start([() => refusal(403, 'jwt_not_enabled'), hanging], { delivery: 'cookie' });
    await vi.advanceTimersByTimeAsync(100);
    for (const message of ['+0.1', '-0.1']) await tell(message);
    await vi.advanceTimersByTimeAsync(2_000);
    expect([calls.at(-1)!.path, calls.at(-1)!.init.signal!.aborted]).toEqual([
      '/tandem/auth/downgrade',
      false,
    ]);
    client!.dispose();
    expect(calls.at(-1)!.init.signal!.aborted).toBe(true);
    await vi.runAllTimersAsync();
    expect(calls.length).toBe(2);
  });

  it('aborts the refresh that follows a downgrade, when another tab overtakes it', async () => {
    signedInBefore();
    start([() => refusal(403, 'jwt_not_enabled'), () => Response.json({ user: {} }), hanging], {
      delivery: 'cookie',
    });
    await vi.advanceTimersByTimeAsync(100);
    expect(storage.value).toBe('tandem1 family  s');
    storage.setItem(KEY, 'tandem1 next  ');
    await tell('changed');
    await vi.advanceTimersByTimeAsync(100);
    expect(calls.at(-1)!.path).toBe('/tandem/auth/refresh');
    for (const message of ['+0.1', '-0.1']) await tell(message);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(calls.at(-1)!.init.signal!.aborted).toBe(true);
    client!.dispose();
    await vi.runAllTimersAsync();
  });

  it('does not abort a login, nor a refresh that began after that of another tab', async () => {
    const { login } = start([hanging]);
    const begun = login({ username: 'a', password: 'b' });
    for (const message of ['+0.1', '-0.1']) await tell(message);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(calls[0]!.init.signal!.aborted).toBe(false);
    await Promise.all([expect(begun).rejects.toThrow(), vi.advanceTimersByTimeAsync(13_000)]);
    client!.dispose();

    signedInBefore();
    start([() => tokens(1, { expires_in: 1 }), hanging]);
    await vi.advanceTimersByTimeAsync(1_500);
    for (const message of ['+0.1', '-0.1']) await tell(message);
    const token = client!.getAccessToken();
    await vi.advanceTimersByTimeAsync(2_500);
    expect([calls.length, calls.at(-1)!.init.signal!.aborted]).toEqual([3, false]);
    client!.dispose();
    expect(calls.at(-1)!.init.signal!.aborted).toBe(true);
    await Promise.all([token.catch(() => {}), vi.runAllTimersAsync()]);
  });
});
