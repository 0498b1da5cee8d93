import { expect } from 'vitest';
import { until } from '../../client.js';
import { useShopPage, withoutBrowser } from './shop-page.js';
import { ShopClient } from './shop-client.js';
import { JWT_SECRETS } from './walk.js';
import type { Walk } from './walk.js';

/** Milliseconds until a revocation is in force on every node, with room for a slow machine. */
const ELSEWHERE_WITHIN = 20_000;

/** Calls in a row that nginx spreads over both nodes. */
const ON_BOTH_NODES = 4;

export interface Size {
  readonly users: number;
  /** Clients with a session of the shop when Tandem comes. */
  readonly sessions: number;
  /** Steps of every client in each phase. */
  readonly steps: number;
}

/** Walks through docs/adopt/walk-through.md, section by section, while all clients call. */
export async function walkThrough(walk: Walk, { users, sessions, steps }: Size): Promise<void> {
  await walk.populate(users, sessions);
  walk.startCalling();
  await walk.steps(2);
  await Promise.all(walk.clients.map((client) => client.stop()));
  await walk.putTandemInFront();
  walk.startCalling();
  await walk.steps(steps);
  await walk.operator('Off');
  expect(walk.withTokens().size).toBe(0);
  await refusesForgedHeaders(walk);

  await towardsTokens(walk, steps);
  await changesOfUsers(walk, steps);
  await changesOfSecrets(walk, steps);
  await backAndForward(walk, steps);
  await endOfSessions(walk, steps);
  await handOver(walk, steps);

  expect(walk.tally.unexpected).toEqual([]);
  for (const figures of Object.values(await walk.unexpectedLogouts()))
    expect(figures).toMatchObject({ total: 0 });
}

/** Beta, 10, 50 and 100 per cent, with users who sign up and who come back. */
async function towardsTokens(walk: Walk, steps: number): Promise<void> {
  const tester = capable(walk)[0]!;
  await walk.operator('Beta', { TESTER: tester.account.email });
  await walk.met(() => tester.hasTokens);
  await walk.steps(steps);
  expect(walk.withTokens()).toEqual(new Set([tester.id]));

  let before = walk.withTokens();
  for (const percentage of [10, 50]) {
    await walk.operator(`${percentage} per cent`);
    await walk.signUp('mobile', `newcomer-at-${percentage}`);
    await walk.signUp('web', `visitor-at-${percentage}`);
    await walk.comeBack();
    const eligible = await walk.eligible(percentage, tester);
    await walk.met(() => capable(walk).every(({ hasTokens, id }) => hasTokens || !eligible.has(id)));
    await walk.steps(steps);
    expect(walk.withTokens()).toEqual(idsOf(capable(walk).filter(({ id }) => eligible.has(id))));
    expect([...before].filter((id) => !eligible.has(id))).toEqual([]);
    before = walk.withTokens();
  }
  await walk.operator('100 per cent');
  await walk.comeBack();
  await walk.met(() => capable(walk).every(({ hasTokens }) => hasTokens));
  await usePage(walk, '/login');
  await walk.steps(steps);
}

/** Logs in, gets tokens, keeps them over a reload, and logs out, on the page of the shop. `form`: where it sends the password. */
async function usePage(walk: Walk, form: '/login' | '/auth/login'): Promise<void> {
  if (withoutBrowser !== undefined) return;
  const calls = await useShopPage(walk.url, walk.absent.at(-1)!.account);
  const by = (path: string) => calls.filter((call) => call.path === path);
  expect(by(form).map(({ status }) => status)).toEqual([200]);
  expect(by('/auth/refresh').some(({ status }) => status === 200)).toBe(true);
  expect(by('/orders').filter(({ scheme, status }) => scheme === 'bearer' && status === 200)).toHaveLength(2);
  expect(by('/auth/logout').map(({ status }) => status)).toEqual([204]);
}

/** In the shop, as always: by clients with tokens and by one with a session. */
async function changesOfUsers(walk: Walk, steps: number): Promise<void> {
  for (const kind of ['web', 'mobile', 'cookie'] as const)
    await changePassword(
      walk,
      walk.running.find((client) => client.kind === kind)!,
    );
  const [staff, ...others] = walk.running.filter(({ kind }) => kind === 'web');
  await disable(walk, others[0]!, staff!);
  await disable(
    walk,
    walk.running.findLast(({ kind }) => kind === 'cookie')!,
    staff!,
  );
  await walk.steps(steps);
}

/** A distrusted key and a changed secret, while clients have tokens. */
async function changesOfSecrets(walk: Walk, steps: number): Promise<void> {
  await walk.operator('If a signing key leaks');
  await walk.steps(steps);
  await walk.restartNodes({ JWT_SECRET: JWT_SECRETS[1], JWT_SECRET_PREVIOUS: JWT_SECRETS[0] });
  await walk.steps(steps);
  expect(walk.withTokens()).toEqual(idsOf(capable(walk)));
}

async function backAndForward(walk: Walk, steps: number): Promise<void> {
  const tester = capable(walk)[0]!;
  const stays = await walk.eligible(10, tester);
  await walk.operator('Move users back to sessions');
  await walk.met(() => capable(walk).every(({ hasTokens, id }) => hasTokens === stays.has(id)));
  await walk.steps(steps);
  const moved = capable(walk).filter(({ id }) => !stays.has(id));
  expect(walk.tally.downgraded).toBeGreaterThanOrEqual(moved.length);

  await walk.operator('Move users to tokens again');
  await walk.met(() => capable(walk).every(({ hasTokens }) => hasTokens));
  await walk.steps(steps);
}

/** Notice, brownout and sunset, for clients that know only cookies. The others notice nothing. */
async function endOfSessions(walk: Walk, steps: number): Promise<void> {
  await walk.operator('Notice');
  const cookies = walk.running.filter(({ kind }) => kind === 'cookie');
  const noticed = new Map(cookies.map((client) => [client, client.steps]));
  await walk.met(() => cookies.every((client) => client.sunsetSeenAt > noticed.get(client)!));

  for (const client of cookies) client.expects = 'sessions_brownout';
  await walk.operator('Brownout');
  await walk.met(() => cookies.every(({ seen }) => seen.has('sessions_brownout')));
  await walk.operator('End of the brownout');
  // Three answers in a row without a refusal come from both nodes.
  await walk.met(() => cookies.every(({ seen, steps: at }) => at > seen.get('sessions_brownout')! + 3));
  for (const client of cookies) client.expects = undefined;
  await walk.steps(steps);

  for (const client of cookies) client.expects = 'sessions_removed';
  await walk.operator('Sunset');
  await walk.met(() => cookies.every(({ seen }) => seen.has('sessions_removed')));
  const [late] = cookies as [ShopClient];
  await late.stop();
  late.forget();
  expect((await late.logInAtTandem()).status).toBe(200);
  late.expects = undefined;
  late.start();
  await walk.steps(steps);
  expect(late.hasTokens).toBe(true);
  await usePage(walk, '/auth/login');
}

/** Tandem owns the passwords from then on. Nobody is logged out, and the passwords of the shop stay valid. */
async function handOver(walk: Walk, steps: number): Promise<void> {
  await walk.operator('Hand the users over');
  await walk.restartNodes({ USERS_SOURCE_BY_NAME: undefined, USERS_SOURCE_BY_ID: undefined });
  await walk.steps(steps);
  for (const client of walk.absent.slice(0, 2)) expect((await client.logInAtTandem()).status).toBe(200);
}

/** The clients that can use tokens and whose users are active. */
function capable(walk: Walk): ShopClient[] {
  return walk.running.filter(({ kind }) => kind !== 'cookie');
}

function idsOf(clients: readonly ShopClient[]): Set<number> {
  return new Set(clients.map(({ id }) => id));
}

/** Nobody but the proxy says who is calling. */
async function refusesForgedHeaders(walk: Walk): Promise<void> {
  const headers = { 'X-Auth-External-Id': '1', 'X-Auth-Role': 'user', 'X-Auth-Scheme': 'bearer' };
  for (const url of [walk.shopUrl, walk.url])
    expect((await fetch(`${url}/me`, { headers })).status, url).toBe(401);
}

/** The user logs in again at once, and stays logged in. Neither the old password nor the old credentials give access. */
async function changePassword(walk: Walk, client: ShopClient): Promise<void> {
  await client.stop();
  const old = client.account;
  const changed = { ...old, password: `${old.password}, changed` };
  const body = { current: old.password, password: changed.password };
  expect((await client.ask('POST', '/password', body)).status).toBe(204);
  const thief = client.copy();
  client.forget();
  client.account = changed;
  expect((await client.logIn()).status).toBe(200);
  client.start();
  await isOut(thief);
  await isRefused(walk, old);
  await walk.met(() => client.kind === 'cookie' || client.hasTokens);
}

/** By the staff of the shop. Nothing that the user has gives access, and the password does not either. */
async function disable(walk: Walk, client: ShopClient, staff: ShopClient): Promise<void> {
  await walk.sql(`UPDATE public.users SET role = 'staff' WHERE id = $1`, [staff.id]);
  await client.stop();
  client.mayEnd = true;
  await staff.stop();
  const { status } = await staff.ask('POST', `/staff/users/${client.id}/disable`);
  staff.start();
  expect(status).toBe(204);
  await isOut(client);
  await isRefused(walk, client.account);
}

/** Waits until neither node accepts the client's session or token. */
async function isOut(client: ShopClient): Promise<void> {
  await until(async () => {
    for (let calls = 0; calls < ON_BOTH_NODES; calls += 1)
      for (const path of ['/orders', '/api/users/me'])
        if ((await client.tryCall('GET', path)).status !== 401) return false;
    return true;
  }, ELSEWHERE_WITHIN);
  if (client.kind !== 'cookie') expect((await client.tryRefresh()).status).toBe(401);
}

/** No login form accepts the password. */
async function isRefused(walk: Walk, account: ShopClient['account']): Promise<void> {
  const stranger = new ShopClient(walk.url, 'mobile', account, walk.tally);
  expect((await stranger.logIn()).status).toBe(401);
  expect((await stranger.logInAtTandem()).status).toBe(401);
  expect((await stranger.beginSessionAtTandem()).status).toBe(401);
}
