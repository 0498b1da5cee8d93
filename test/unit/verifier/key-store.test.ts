import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { PublicKey, PublicKeys } from '../../../packages/verifier/src/keys/jwk-set.js';
import {
  COOLDOWN_MS,
  KeyStore,
  MAX_AGE_MS,
  MAX_FORMER,
} from '../../../packages/verifier/src/keys/key-store.js';

const keysOf = (...kids: string[]): PublicKeys =>
  new Map(kids.map((kid) => [kid, { kid } as unknown as PublicKey]));

describe('the key store', () => {
  let now: number;
  let published: PublicKeys | Error;
  const fetchKeys = vi.fn(() =>
    published instanceof Error ? Promise.reject(published) : Promise.resolve(published),
  );
  let store: KeyStore;
  beforeEach(() => {
    now = 1_000;
    published = keysOf('k1');
    fetchKeys.mockClear();
    store = new KeyStore(fetchKeys, () => now);
  });

  it('finds a key with one fetch, however many ask at once', async () => {
    const found = await Promise.all(Array.from({ length: 50 }, () => store.find('k1')));
    expect(found.every((key) => key?.former === false)).toBe(true);
    expect(store.get('k1')?.former).toBe(false);
    expect(fetchKeys).toHaveBeenCalledTimes(1);
  });

  it('looks for an unknown key again only after the cooldown', async () => {
    await store.find('k1');
    now += COOLDOWN_MS - 1;
    published = keysOf('k1', 'k2');
    expect(await store.find('k2')).toBeUndefined();
    expect(fetchKeys).toHaveBeenCalledTimes(1);
    now += 1;
    expect((await store.find('k2'))?.former).toBe(false);
    expect(fetchKeys).toHaveBeenCalledTimes(2);
  });

  it('asks once per cooldown, however many unknown keys are named', async () => {
    await store.find('k1');
    for (let i = 0; i < 1_000; i += 1) {
      now += 10;
      await store.find(`invented-${i}`);
    }
    expect(fetchKeys.mock.calls.length).toBeLessThanOrEqual(1 + 10_000 / COOLDOWN_MS);
  });

  it('keeps the last good set if a fetch fails, and does not say that an unknown key is invalid', async () => {
    await store.find('k1');
    published = new Error('gone');
    now += COOLDOWN_MS;
    await expect(store.find('k2')).rejects.toThrow('gone');
    await expect(store.find('k2')).rejects.toThrow('gone');
    expect((await store.find('k1'))?.former).toBe(false);
    expect(fetchKeys).toHaveBeenCalledTimes(2);
  });

  it('reads the set again in the background when it is old', async () => {
    await store.find('k1');
    now += MAX_AGE_MS;
    published = keysOf('k2');
    expect(store.get('k1')?.former).toBe(false);
    await vi.waitFor(() => expect(store.get('k2')?.former).toBe(false));
    expect(store.get('k1')?.former).toBe(true);
    expect(fetchKeys).toHaveBeenCalledTimes(2);
  });

  it('remembers a bounded number of keys that are no longer published', async () => {
    for (let i = 0; i <= MAX_FORMER + 1; i += 1) {
      published = keysOf(`k${i}`);
      await store.refresh();
    }
    expect(store.get('k0')).toBeUndefined();
    expect(store.get('k1')?.former).toBe(true);
    published = keysOf('k1');
    await store.refresh();
    expect(store.get('k1')?.former).toBe(false);
  });

  it('reads the set at once when the stream names a key that it does not know', async () => {
    await store.find('k1');
    store.expect(['k1']);
    expect(fetchKeys).toHaveBeenCalledTimes(1);
    published = keysOf('k1', 'k2');
    store.expect(['k1', 'k2']);
    await vi.waitFor(() => expect(store.get('k2')?.former).toBe(false));
    expect(fetchKeys).toHaveBeenCalledTimes(2);
  });
});
