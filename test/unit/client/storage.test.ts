import { describe, expect, it } from 'vitest';
import { LoginStore, format, parse } from '../../../packages/client/src/storage.js';
import type { TokenStorage } from '../../../packages/client/src/storage.js';

const FIRST = format('login', 'token-1');
const SECOND = format('login', 'token-2');

function mapStorage(map = new Map<string, string>()): TokenStorage {
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => map.set(key, value),
    removeItem: (key) => map.delete(key),
  };
}

function throwing(): never {
  throw new Error('no storage here');
}

describe('the stored login', () => {
  it.each([
    { id: 'a', token: 'tandem_rt_x', session: false },
    { id: 'a', token: '', session: false },
    { id: 'a', token: '', session: true },
  ])('is read as it was written: %o', (login) => {
    expect(parse(format(login.id, login.token, login.session))).toEqual(login);
  });

  it.each([
    null,
    '',
    'tandem1',
    'tandem2 a b ',
    'tandem1 a b x',
    'tandem1 a b s c',
    '{"id":"a"}',
    'tandem1 a\nb ',
  ])('is absent if the storage holds %j', (value) => {
    expect(parse(value)).toBeUndefined();
  });
});

describe('LoginStore', () => {
  it('stores a result only if the stored value is still the one it started from', () => {
    const store = new LoginStore(mapStorage(), 'key');
    expect(store.write(FIRST)).toBe(FIRST);
    expect(store.replace(SECOND, FIRST)).toBe(FIRST);
    expect(store.replace(FIRST, SECOND)).toBe(SECOND);
    expect(store.read()).toBe(SECOND);
  });

  it('never stores over a logout', () => {
    const map = new Map<string, string>();
    const store = new LoginStore(mapStorage(map), 'key');
    void store.write(FIRST);
    void new LoginStore(mapStorage(map), 'key').write(null);
    expect(store.replace(FIRST, SECOND)).toBeNull();
    expect(map.size).toBe(0);
  });

  it('works the same on an asynchronous storage', async () => {
    const sync = mapStorage();
    const store = new LoginStore(
      {
        getItem: async (key) => sync.getItem(key),
        setItem: async (key, value) => sync.setItem(key, value),
        removeItem: async (key) => sync.removeItem(key),
      },
      'key',
    );
    expect(await store.write(FIRST)).toBe(FIRST);
    expect(await store.replace(null, SECOND)).toBe(FIRST);
    expect(await store.replace(FIRST, SECOND)).toBe(SECOND);
    expect(await store.replace(SECOND, null)).toBeNull();
    expect(await store.read()).toBeNull();
  });

  it('keeps the login in memory if every method of the storage throws', () => {
    const store = new LoginStore({ getItem: throwing, setItem: throwing, removeItem: throwing }, 'key');
    expect(store.read()).toBeNull();
    expect(store.replace(null, FIRST)).toBe(FIRST);
    expect(store.read()).toBe(FIRST);
    expect(store.replace(FIRST, null)).toBeNull();
    expect(store.read()).toBeNull();
  });

  it('keeps the login in memory if every promise of the storage rejects', async () => {
    const rejecting = () => Promise.reject(new Error('no storage here'));
    const store = new LoginStore({ getItem: rejecting, setItem: rejecting, removeItem: rejecting }, 'key');
    expect(await store.replace(null, FIRST)).toBe(FIRST);
    expect(await store.replace(FIRST, SECOND)).toBe(SECOND);
    expect(await store.read()).toBe(SECOND);
  });

  it('leaves no spent refresh token in a storage that is full, and stores again when there is room', () => {
    const map = new Map<string, string>();
    let full = false;
    const store = new LoginStore(
      { ...mapStorage(map), setItem: (key, value) => (full ? throwing() : map.set(key, value)) },
      'key',
    );
    void store.write(FIRST);
    full = true;
    expect(store.replace(FIRST, SECOND)).toBe(SECOND);
    expect(store.read()).toBe(SECOND);
    expect(map.size).toBe(0);
    full = false;
    expect(store.replace(SECOND, FIRST)).toBe(FIRST);
    expect(map.get('key')).toBe(FIRST);
  });

  it('leaves a value without a token in a storage that is full, because other tabs would take its absence for a logout', () => {
    const map = new Map([['key', format('login')]]);
    const full = new LoginStore({ ...mapStorage(map), setItem: throwing }, 'key');
    const session = format('login', '', true);
    expect(full.replace(format('login'), session)).toBe(session);
    expect(full.read()).toBe(session);
    expect([...map.values()]).toEqual([format('login')]);
  });

  it('does not write the value that is stored already', () => {
    const map = new Map([['key', format('login')]]);
    const store = new LoginStore({ ...mapStorage(map), setItem: throwing, removeItem: throwing }, 'key');
    expect(store.replace(format('login'), format('login'))).toBe(format('login'));
    map.clear();
    // It still looks at the storage: nothing has failed.
    expect(store.read()).toBeNull();
  });

  it('keeps the login in memory without a storage', () => {
    const store = new LoginStore(undefined, 'key');
    expect([store.read(), store.replace(null, FIRST), store.read()]).toEqual([null, FIRST, FIRST]);
    expect([store.write(null), store.read()]).toEqual([null, null]);
  });

  it('sees no login in the data of another version', () => {
    const map = new Map([['key', 'tandem2 something else']]);
    expect(new LoginStore(mapStorage(map), 'key').read()).toBeNull();
    expect(map.get('key')).toBe('tandem2 something else');
  });
});
