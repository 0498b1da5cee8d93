import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, login, post, sql, tryLogin } from '../helpers/client.js';
import type { Account, Reply } from '../helpers/client.js';

const ROUNDS = 3;

/** Milliseconds: no failure is answered sooner. A timer may be early by one. */
const FLOOR = 249;

/** The quickest of some rounds is what the service itself takes, whatever else the machine does. */
const SPREAD = 60;

let node: TestApp;
beforeAll(async () => {
  node = await createTestApp({ costlyHashes: true });
});
afterAll(() => node.close());

it('takes as long for an unknown user as for a wrong password, a disabled user and one without a password', async () => {
  const [user, disabled, without] = [await aUser(node), await aUser(node), await aUser(node)];
  await sql(node, 'UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.id]);
  await sql(node, 'UPDATE users SET password_hash = NULL WHERE id = $1', [without.id]);
  const own = bearer((await login(node, user)).access_token);
  const wrong = (account: Account) => tryLogin(node, { ...account, password: 'not the right pass phrase' });
  const kinds: Readonly<Record<string, () => Promise<Reply>>> = {
    'an unknown user': () => wrong({ id: '', username: `nobody-${randomUUID()}`, password: '' }),
    'a name that can be none': () => wrong({ id: '', username: 'no \u200b body', password: '' }),
    'a wrong password': () => wrong(user),
    'a disabled user': () => tryLogin(node, disabled),
    'a disabled user with a wrong password': () => wrong(disabled),
    'a user without a password': () => tryLogin(node, without),
    'a wrong current password': () =>
      post(
        node,
        '/auth/password',
        { current_password: 'wrong', new_password: 'a quite long pass phrase' },
        own,
      ),
  };
  const quickest = new Map<string, number>();
  const bodies = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, ask] of Object.entries(kinds)) {
      const began = performance.now();
      const reply = await ask();
      const took = performance.now() - began;
      expect(`${reply.statusCode} ${codeOf(reply)}`, name).toBe('401 invalid_credentials');
      bodies.add(reply.body.replace(/"request_id":"[^"]*"/, ''));
      quickest.set(name, Math.min(took, quickest.get(name) ?? Infinity));
    }
  }
  expect(bodies.size).toBe(1);
  const times = [...quickest.values()];
  expect(Math.min(...times)).toBeGreaterThanOrEqual(FLOOR);
  expect(Math.max(...times) - Math.min(...times), JSON.stringify([...quickest])).toBeLessThan(SPREAD);
});
