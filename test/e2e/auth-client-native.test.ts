import { createContext, runInContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AuthClient } from '@tandem-auth/client';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, login } from '../helpers/client.js';
import type { Account } from '../helpers/client.js';
import { bundled } from '../helpers/client-bundle.js';
import { blocksOf, read } from '../helpers/doc-blocks.js';

/** The module of the documentation, which exports the client. */
const RECIPE = blocksOf(read('docs/adopt/clients.md')).find(({ text }) =>
  text.includes('react-native'),
)!.text;

/** What the device has. `device` is a global of the app. Every storage call takes a while, and keys have the alphabet of the real module. */
const MODULES = {
  'expo-secure-store': `
    const later = async (key, act) => {
      if (!/^[\\w.-]+$/.test(key)) throw new Error('Invalid key provided to SecureStore.');
      await new Promise((resolve) => setTimeout(resolve, 5));
      return act();
    };
    export const getItemAsync = (key) => later(key, () => device.stored.get(key) ?? null);
    export const setItemAsync = (key, value) => later(key, () => void device.stored.set(key, value));
    export const deleteItemAsync = (key) => later(key, () => void device.stored.delete(key));`,
  'react-native': `
    export const AppState = { addEventListener: (type, listener) => device.listeners.push(listener) };`,
};

/** What an app's script finds. A device has no document, no localStorage and no messages between tabs. */
interface Device {
  readonly stored: Map<string, string>;
  readonly listeners: ((state: string) => void)[];
}

/** The URL class of React Native: it joins texts and has no setters. */
class NativeUrl {
  readonly #text: string;
  constructor(url: string, base?: string) {
    this.#text = base === undefined ? `${url}/` : `${base}${url}`;
  }
  get href(): string {
    return this.#text;
  }
  get search(): string {
    return '';
  }
}

/** Keeps no option that React Native does not know, sends no Origin and gives answers without a stream. */
async function nativeFetch(input: string, init: RequestInit = {}): Promise<object> {
  const { method, headers, body, signal } = init;
  const answer = await fetch(input, {
    ...(method ? { method } : {}),
    ...(headers ? { headers } : {}),
    ...(body ? { body } : {}),
    ...(signal ? { signal } : {}),
  });
  const text = await answer.text();
  const { status, ok, url, headers: received } = answer;
  const made = () => ({
    status,
    ok,
    url,
    headers: received,
    clone: made,
    text: async () => text,
    json: async () => JSON.parse(text) as unknown,
  });
  return made();
}

describe('the recipe for React Native', () => {
  let node: TestApp;
  let user: Account;
  let script: string;
  let device: Device;
  const started: AuthClient[] = [];

  beforeAll(async () => {
    node = await createTestApp({ listen: true });
    const recipe = RECIPE.replace('https://auth.example.com', node.url);
    expect(recipe).not.toBe(RECIPE);
    script = await bundled('recipe.tsx', { format: 'iife', modules: { ...MODULES, 'recipe.tsx': recipe } });
  });
  afterAll(() => node.close());
  beforeEach(async () => {
    user = await aUser(node);
    device = { stored: new Map(), listeners: [] };
  });
  afterEach(() => started.splice(0).forEach((client) => client.dispose()));

  /** Starts the app: what was stored before is still there. */
  function start(UrlClass: object = URL): AuthClient {
    const { Headers, Request, AbortController, performance, atob } = globalThis;
    const globals = { Headers, Request, AbortController, performance, atob, setTimeout, clearTimeout };
    const context = createContext({ ...globals, URL: UrlClass, fetch: nativeFetch, device });
    const client = runInContext(`'use strict';\n${script}\napp.client;`, context) as AuthClient;
    started.push(client);
    return client;
  }

  const nameFrom = async (client: AuthClient) =>
    ((await (await client.fetch('/api/users/me')).json()) as { username?: string }).username;

  const signIn = ({ username, password }: Account) => start().login({ username, password });

  it('signs in, stays signed in when the app starts again, and signs out', async () => {
    const client = start();
    await expect.poll(() => client.state).toBe('signed-out');
    await client.login({ username: user.username, password: user.password });
    expect(await nameFrom(client)).toBe(user.username);
    expect([...device.stored.keys()]).toEqual(['tandem']);
    client.dispose();

    const later = start();
    expect(later.state).toBe('unverified');
    expect(await nameFrom(later)).toBe(user.username);
    expect(later.state).toBe('signed-in');
    await later.logout();
    expect([later.state, device.stored.size]).toEqual(['signed-out', 0]);
    expect(await nameFrom(later)).toBeUndefined();
  });

  it('stores the next refresh token before it uses the access token, so that an app that is killed stays signed in', async () => {
    await signIn(user);
    const first = device.stored.get('tandem');
    for (let starts = 0; starts < 3; starts++) expect(await nameFrom(start())).toBe(user.username);
    expect(device.stored.get('tandem')).not.toBe(first);
  });

  it('renews and repeats a request whose body is a text, though answers have no stream', async () => {
    await signIn(user);
    const client = start();
    expect(await nameFrom(client)).toBe(user.username);
    const admin = (await login(node)).access_token;
    const url = `/admin/users/${user.id}`;
    const reply = await node.app.inject({
      method: 'PATCH',
      url,
      payload: { role: 'editor' },
      ...bearer(admin),
    });
    expect(reply.statusCode).toBe(200);
    const answer = await client.fetch('/auth/reauthenticate', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ password: user.password }),
    });
    expect(answer.status).toBe(204);
  });

  it('refreshes when the app comes to the foreground', async () => {
    await signIn(user);
    const before = device.stored.get('tandem');
    const client = start();
    for (const listener of device.listeners) listener('active');
    await expect.poll(() => device.stored.get('tandem')).not.toBe(before);
    await expect.poll(() => client.state).toBe('signed-in');
  });

  it('throws at the start if the URL class is that of React Native, with which a token could go to a wrong place', () => {
    expect(() => start(NativeUrl)).toThrow(/search/);
  });
});
