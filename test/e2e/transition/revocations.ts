import { randomUUID } from 'node:crypto';
import type { TestApp } from '../../helpers/app.js';
import { bearer, login, post, sql } from '../../helpers/client.js';
import type { Account, Reply, Tokens } from '../../helpers/client.js';
import { cookieFor } from './session-client.js';

/** A user with a login by tokens. */
export interface Caller {
  readonly user: Account;
  readonly tokens: Tokens;
}

type Revocation = (node: TestApp, caller: Caller) => Promise<Reply>;

const asAdmin = async (node: TestApp) => bearer((await login(node)).access_token);

async function patch(node: TestApp, { id }: Account, payload: object): Promise<Reply> {
  return node.app.inject({ method: 'PATCH', url: `/admin/users/${id}`, payload, ...(await asAdmin(node)) });
}

/** Every call that ends all sessions of a user. */
export const REVOCATIONS: Readonly<Record<string, Revocation>> = {
  'a logout everywhere': (node, { tokens }) =>
    post(node, '/auth/logout-all', undefined, bearer(tokens.access_token)),
  'a password change': (node, { user, tokens }) =>
    post(
      node,
      '/auth/password',
      { current_password: user.password, new_password: `pass phrase of ${randomUUID()}` },
      bearer(tokens.access_token),
    ),
  'a revocation by an admin': async (node, { user }) =>
    post(node, `/admin/users/${user.id}/revoke`, undefined, await asAdmin(node)),
  'a bulk revocation': async (node, { user }) =>
    post(node, '/admin/tokens/revoke', { user_ids: [user.id] }, await asAdmin(node)),
  'a password set by an admin': (node, { user }) =>
    patch(node, user, { password: `pass phrase of ${randomUUID()}` }),
  'disabling the user': (node, { user }) => patch(node, user, { disabled: true }),
};

/** Stores a session as a product would, whatever its text. Gives its cookie. */
export async function storeSession(node: TestApp, sess: string): Promise<string> {
  const sid = `odd-${randomUUID()}`;
  await sql(node, `INSERT INTO session (sid, sess, expire) VALUES ($1, $2, now() + interval '1 hour')`, [
    sid,
    sess,
  ]);
  return cookieFor(sid);
}
