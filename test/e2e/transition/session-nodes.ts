import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, login } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import { SECRET, bySession } from './session-client.js';

/** The rollout of a new database. */
const AT_FIRST = { phase: 'gradual_rollout', percentage: 100, drain: false, sunset_at: null, brownouts: [] };

/** Two nodes of one service that know each other's sessions, and a user of it. */
export interface SessionNodes {
  readonly node: TestApp;
  readonly other: TestApp;
  readonly user: Account;
  close(): Promise<void>;
}

export async function sessionNodes(): Promise<SessionNodes> {
  const env = { SESSION_SECRET: SECRET };
  const node = await createTestApp({ env });
  const other = await createTestApp({ env, db: node.db });
  return {
    node,
    other,
    user: await aUser(node),
    async close() {
      await other.close();
      await node.close();
    },
  };
}

/** Does `work` with one more node on that database, where an address or a login has three calls. */
export async function withStrictNode(
  { db }: TestApp,
  work: (strict: TestApp) => Promise<void>,
): Promise<void> {
  const strict = await createTestApp({ env: { SESSION_SECRET: SECRET, AUTH_RATE_LIMIT: '3' }, db });
  try {
    await work(strict);
  } finally {
    await strict.close();
  }
}

/** Does `work` while the rollout is changed so, then goes back to how it is in a new database. Throws if it cannot. */
export async function withRollout(node: TestApp, change: object, work: () => Promise<void>): Promise<void> {
  const admin = bearer((await login(node)).access_token);
  const patch = async (payload: object) => {
    const reply = await node.app.inject({ method: 'PATCH', url: '/admin/rollout', payload, ...admin });
    if (reply.statusCode !== 200) throw new Error(`no change: ${reply.statusCode} ${reply.body}`);
  };
  await patch(change);
  try {
    await work();
  } finally {
    await patch(AT_FIRST);
  }
}

export function exchange(
  at: TestApp,
  cookie: string,
  payload?: object,
  remoteAddress?: string,
): Promise<Reply> {
  return bySession(at, cookie, {
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
    method: 'POST',
    url: '/auth/exchange',
    ...(payload === undefined ? {} : { payload }),
  });
}
