import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createAuthClient } from '@tandem-auth/client';
import type { AuthClient } from '@tandem-auth/client';
import { MapStorage } from '../../helpers/client-storage.js';

const BASE = 'https://auth.example/';
const KEY = `tandem ${BASE}`;

describe('the client in a page', () => {
  const localStorage = new MapStorage();
  let page: EventTarget;
  let calls: string[];
  let client: AuthClient;

  beforeEach(() => {
    localStorage.values.clear();
    localStorage.setItem(KEY, 'tandem1 family  ');
    page = new EventTarget();
    vi.stubGlobal('document', { visibilityState: 'visible' });
    vi.stubGlobal('localStorage', localStorage);
    for (const name of ['addEventListener', 'removeEventListener'] as const)
      vi.stubGlobal(name, page[name].bind(page));
    calls = [];
    client = createAuthClient({
      baseUrl: BASE,
      fetch: async (input) => {
        calls.push(new URL(input as string).pathname);
        const token = `x.${btoa(JSON.stringify({ sub: 'user', sid: 'family' }))}.x`;
        return Response.json({ access_token: token, expires_in: 900 });
      },
    });
  });
  afterEach(() => {
    client.dispose();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  const storageEvent = (key: string | null) =>
    page.dispatchEvent(Object.assign(new Event('storage'), { key }));

  it('notices a logout in another tab when the storage changes, even if the message came before the change', async () => {
    await client.getAccessToken();
    const other = new BroadcastChannel(KEY);
    other.postMessage('changed');
    // The client's own channel has got the message when a later one of the same sender has arrived.
    const mirror = new BroadcastChannel(KEY);
    const arrived = new Promise((resolve) => (mirror.onmessage = resolve));
    other.postMessage('family');
    await arrived;
    other.close();
    mirror.close();
    expect(client.state).toBe('signed-in');
    localStorage.values.clear();
    storageEvent('of something else');
    await Promise.resolve();
    expect(client.state).toBe('signed-in');
    storageEvent(KEY);
    await expect.poll(() => client.state).toBe('signed-out');
    expect(calls).toEqual(['/auth/refresh']);
  });

  it('aborts an overtaken refresh at once while the page is hidden, because its timers are slow', async () => {
    await client.getAccessToken();
    client.dispose();
    vi.stubGlobal('document', { visibilityState: 'hidden' });
    let signal: AbortSignal | null | undefined;
    client = createAuthClient({
      baseUrl: BASE,
      fetch: (_input, init) => {
        signal = init?.signal;
        return new Promise(() => {});
      },
    });
    await expect.poll(() => signal?.aborted).toBe(false);
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const [other, mirror] = [new BroadcastChannel(KEY), new BroadcastChannel(KEY)];
    const arrived = new Promise<void>((resolve) => {
      mirror.onmessage = ({ data }) => {
        if (data === '-0.1') resolve();
      };
    });
    for (const message of ['+0.1', '-0.1']) other.postMessage(message);
    await arrived;
    other.close();
    mirror.close();
    expect(signal!.aborted).toBe(true);
  });

  it('listens to nothing after dispose()', async () => {
    await client.getAccessToken();
    client.dispose();
    const read = vi.spyOn(localStorage, 'getItem');
    storageEvent(KEY);
    for (const type of ['visibilitychange', 'pageshow', 'online']) page.dispatchEvent(new Event(type));
    await Promise.resolve();
    expect(read).not.toHaveBeenCalled();
    read.mockRestore();
  });
});
