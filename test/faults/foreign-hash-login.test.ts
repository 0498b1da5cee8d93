import { pbkdf2Sync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceStateStore } from '../../src/database/service-state.store.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, post, sql, tryLogin, until } from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

/** Made by Werkzeug 3.1.9 and by libxcrypt, see test/unit/users/foreign-hashes.test.ts. */
const PASSWORD = 'Tr0ub4dor & drei Bären';
const WERKZEUG =
  'pbkdf2:sha256:1000$cRP6kwrHRh0FOEME$f22237e14a5b9d452c0b03b6697893f5a6b3b3a11add03fa8d1f6c0f7e2ce0f1';
const EIGHTY = '0123456789'.repeat(8);
const OF_EIGHTY = '$2b$04$abcdefghijklmnopqrstuum2G75IXDN/xsgbNa/hCiPSKyIHQd70S';

describe('a login with a password hash of another system', () => {
  let node: TestApp;

  beforeAll(async () => {
    node = await createTestApp({ costlyHashes: true });
  });
  afterAll(() => node.close());

  async function stored(hash: string, password: string): Promise<Account> {
    const user = await aUser(node);
    await sql(node, 'UPDATE users SET password_hash = $2 WHERE id = $1', [user.id, hash]);
    return { ...user, password };
  }
  const hashOf = async ({ id }: Account) =>
    (await sql<{ password_hash: string }>(node, 'SELECT password_hash FROM users WHERE id = $1', [id]))[0]!
      .password_hash;

  it('succeeds, and stores the password as argon2id', async () => {
    const user = await stored(WERKZEUG, PASSWORD);
    expect(codeOf(await tryLogin(node, { ...user, password: 'wrong' }))).toBe('invalid_credentials');
    expect(await hashOf(user)).toBe(WERKZEUG);
    const replies = await Promise.all(Array.from({ length: 4 }, () => tryLogin(node, user)));
    expect(replies.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200]);
    expect(await hashOf(user)).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await tryLogin(node, user)).statusCode).toBe(200);
  });

  it('succeeds with a password of up to 1024 characters, longer than a new one may be', async () => {
    for (const [length, status] of [
      [257, 200],
      [1_024, 200],
      [1_025, 400],
    ] as const) {
      const password = 'é'.repeat(length);
      const tag = pbkdf2Sync(password, 'salt', 1_000, 32, 'sha256').toString('hex');
      const user = await stored(`pbkdf2:sha256:1000$salt$${tag}`, password);
      const reply = await tryLogin(node, { ...user, password: password.normalize('NFD') });
      expect([length, reply.statusCode]).toEqual([length, status]);
      if (status !== 200) continue;
      // It may be replaced, and not be set.
      const { access_token } = reply.json<{ access_token: string }>();
      const change = (current_password: string, new_password: string) =>
        post(node, '/auth/password', { current_password, new_password }, bearer(access_token));
      expect(codeOf(await change(password, `${password}x`))).toBe('validation_failed');
      expect((await change(password, 'another long pass phrase')).statusCode).toBe(204);
    }
  });

  it('keeps the hash if bcrypt compared only the beginning of the password', async () => {
    const user = await stored(OF_EIGHTY, `${EIGHTY.slice(0, 72)}mistyped`);
    expect((await tryLogin(node, user)).statusCode).toBe(200);
    expect(await hashOf(user)).toBe(OF_EIGHTY);
    expect((await tryLogin(node, { ...user, password: EIGHTY })).statusCode).toBe(200);
  });

  it('accepts a password that was hashed without Unicode normalisation', async () => {
    // hashlib.pbkdf2_hmac('sha256', 'nai\u0308ve cafe\u0301'.encode(), b'salt', 1000).hex()
    const user = await stored(
      'pbkdf2:sha256:1000$salt$defeb1f603bdc9bfbfebe41abb57f7befca4756dfaad461a43f517006df1a9fe',
      'nai\u0308ve cafe\u0301',
    );
    const composed = { ...user, password: user.password.normalize('NFC') };
    expect((await tryLogin(node, composed)).statusCode).toBe(401);
    expect((await tryLogin(node, user)).statusCode).toBe(200);
    // Stored by us both spellings are one.
    expect((await tryLogin(node, composed)).statusCode).toBe(200);
  });

  it.each(['md5$salt$5f4dcc3b5aa765d61d8327deb882cf99', '$2b$12$cut', '', 'scrypt:1:1:1$$', '\u{1f9a6}'])(
    'is refused if the stored text is not a password hash: %s',
    async (hash) => {
      const reply = await tryLogin(node, await stored(hash, PASSWORD));
      expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'invalid_credentials']);
    },
  );

  it('fails as slowly as the most expensive stored hash, also on a node that did not import it', async () => {
    const other = await createTestApp({ db: node.db, costlyHashes: true });
    try {
      const nobody = { id: '', username: 'nobody', password: PASSWORD };
      const time = async () => {
        const began = performance.now();
        expect((await tryLogin(other, nobody)).statusCode).toBe(401);
        return performance.now() - began;
      };
      const state = new ServiceStateStore(node.db.database);
      await node.db.database.transaction((tx) => state.raiseFailureFloor(tx, 1_250));
      await until(async () => (await time()) >= 1_240, 5_000);
      await node.db.database.transaction((tx) => state.raiseFailureFloor(tx, 500));
      expect(await state.failureFloor()).toBe(1_250);
      const late = await createTestApp({ db: node.db, costlyHashes: true });
      const began = performance.now();
      await tryLogin(late, nobody);
      expect(performance.now() - began).toBeGreaterThanOrEqual(1_240);
      await late.close();
    } finally {
      await other.close();
    }
  });
});
