// Logins, refreshes and exchanges. A login is set against bare argon2id in a pool of the same lanes on the same core.
import { compare } from '../lib/compare.mjs';
import { inTurn, load, refreshing } from '../lib/load.mjs';
import { post } from '../lib/closed-loop.mjs';
import { cpuMs, end, runOnServerCore, startOnServerCore, until } from '../lib/processes.mjs';
import { environmentOf, loginRequest, makeSessions, makeUsers } from '../lib/service.mjs';
import { CONNECTIONS, PEER_PORT, ROUNDS, SECONDS } from '../lib/settings.mjs';
import { startOidcProvider } from '../lib/oidc.mjs';

const group = 'Logins';

export async function run(context) {
  const { database, service, signing } = context;
  const rows = [];
  const users = await makeUsers(database, 64, 'login');
  const logins = inTurn(users.map((user, index) => loginRequest(user, index)));
  const login = () => load({ connections: 16, next: logins });
  const bare = () =>
    JSON.parse(runOnServerCore('test/load/peers/bare-argon2.mjs', { SECONDS: String(SECONDS) }));
  const bareScrypt = () =>
    JSON.parse(runOnServerCore('test/load/peers/bare-scrypt.mjs', { SECONDS: String(SECONDS) }));
  const perCore = {
    group,
    what: 'logins, by the processor time that one takes',
    unit: '1/s of CPU',
    measured: async () => {
      const before = cpuMs(service.pid);
      const started = performance.now();
      const perSecond = await login();
      const count = (perSecond * (performance.now() - started)) / 1000;
      return (1000 * count) / (cpuMs(service.pid) - before);
    },
  };
  await login();
  rows.push(
    await compare({
      group,
      what: 'logins',
      to: 'bare argon2id in the same pool',
      yardstick: async () => bare().perSecond,
      measured: login,
    }),
    await compare({
      ...perCore,
      to: 'bare argon2id in the same pool',
      yardstick: async () => 1000 / bare().cpuMs,
    }),
    await compare({
      ...perCore,
      to: 'the bare hash of better-auth (scrypt)',
      atLeast: 1,
      yardstick: async () => 1000 / bareScrypt().cpuMs,
    }),
  );

  const peer = startOnServerCore('test/load/peers/bare-refresh.mjs', {
    ...environmentOf(database, PEER_PORT),
    KEY_FILE: signing.file,
  });
  await until(
    () => fetch(`http://127.0.0.1:${PEER_PORT}/`).then(({ status }) => status === 404),
    'the bare route',
  );
  const generations = Array(CONNECTIONS).fill(0);
  const bareRefresh = () =>
    load({
      port: PEER_PORT,
      next: (index) => post('/refresh', { id: index, generation: generations[index] }),
      answered: (index, answer) => {
        generations[index] = Number(/"generation":(\d+)/.exec(answer)[1]);
      },
    });
  const tokens = (await makeUsers(database, CONNECTIONS, 'refresh')).map((user) => user.refreshToken);
  const refresh = refreshing(tokens);
  await refresh();
  const measure = { group, what: 'refreshes', measured: refresh };
  rows.push(
    await compare({
      ...measure,
      to: 'a bare route: one compare-and-set, one signature',
      atLeast: 0.85,
      yardstick: bareRefresh,
    }),
  );
  const exchanged = await exchanges(context);
  // Like the refreshes: the connections have planned their statements.
  await exchanged?.();
  if (exchanged !== undefined)
    rows.push(
      await compare({
        group,
        what: 'exchanges of a session for tokens',
        to: 'a bare route: one compare-and-set, one signature',
        atLeast: 0.6,
        yardstick: bareRefresh,
        measured: exchanged,
      }),
    );
  await end(peer);
  const oidc = await startOidcProvider(context);
  rows.push(
    await compare({
      ...measure,
      to: 'oidc-provider on PostgreSQL, same key size',
      atLeast: 1.5,
      yardstick: oidc.refresh,
    }),
  );
  await end(oidc.process);
  return rows;
}

/** A session can be exchanged once: each round gets new ones. Undefined where there are no exchanges. */
async function exchanges({ database, service }) {
  const users = await makeUsers(database, 300 * (ROUNDS + 1), 'exchange');
  const sessions = await makeSessions(database, users);
  const requests = sessions.map((cookie) =>
    post('/auth/exchange', {}).replace(
      'Host:',
      `Cookie: session_id=${cookie}\r\nOrigin: http://127.0.0.1\r\nHost:`,
    ),
  );
  const route = await fetch(`http://127.0.0.1:${service.port}/auth/exchange`, { method: 'POST' });
  if (route.status === 404) return undefined;
  return () => {
    let left = 300;
    return load({ next: () => (left-- > 0 ? requests.pop() : undefined), seconds: 60 });
  };
}
