// What it costs a request that somebody is asked who they are.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare } from '../lib/compare.mjs';
import { get, getWithCookie } from '../lib/closed-loop.mjs';
import { inTurn, load } from '../lib/load.mjs';
import { end, runOnServerCore, startOnServerCore, until } from '../lib/processes.mjs';
import { makeSessions, mintTokens } from '../lib/service.mjs';
import { FIRST_SIGHTS, PEER_PORT, SECONDS } from '../lib/settings.mjs';

const group = 'Authentication of a request';

export async function run(context) {
  const { users, tokens, signing, publicPem, database } = context;
  const open = () => load({ next: () => get('/health/live'), awake: true });
  const verify = (requests) => () => load({ next: inTurn(requests), awake: true });
  const byDatabase = (requests) => () => load({ next: inTurn(requests) });
  const sessions = await makeSessions(database, users);
  const byCookie = sessions.map((cookie) => getWithCookie('/auth/verify', `session_id=${cookie}`));
  const rows = [];
  const add = async (measure) => rows.push(await compare({ group, ...measure }));

  const raw = startOnServerCore('test/load/peers/raw-http.mjs', { PORT: PEER_PORT });
  await until(() => fetch(`http://127.0.0.1:${PEER_PORT}/`).then(({ ok }) => ok), 'node:http answers');
  await add({
    what: 'open route',
    to: 'node:http',
    atLeast: 0.5,
    yardstick: () => load({ port: PEER_PORT, next: () => get('/'), awake: true }),
    measured: open,
  });
  await end(raw);
  const bearer = tokens.map((token) => get('/auth/verify', token));
  await verify(bearer)();
  const to = 'open route';
  await add({ what: 'Bearer, one token', to, atLeast: 0.9, yardstick: open, measured: verify([bearer[0]]) });
  await add({
    what: `Bearer, ${tokens.length} tokens in turn`,
    to,
    atLeast: 0.85,
    yardstick: open,
    measured: verify(bearer),
  });
  await add({ what: 'session in PostgreSQL', to, yardstick: open, measured: byDatabase(byCookie) });

  const file = join(database.folder, 'tokens.txt');
  writeFileSync(file, tokens.slice(0, 1_000).join('\n'));
  const firstSights = () => {
    const fresh = mintTokens(signing, users.slice(0, FIRST_SIGHTS)).map((token) =>
      get('/auth/verify', token),
    );
    return load({ next: () => fresh.pop(), seconds: 60, awake: true });
  };
  // The yardstick runs long enough to be compiled; so is what it is compared with.
  await firstSights();
  await add({
    what: 'Bearer, first use',
    to: 'node:crypto on one core',
    yardstick: async () =>
      Number(
        runOnServerCore('test/load/peers/bare-verify.mjs', {
          PUBLIC_PEM: publicPem,
          TOKENS_FILE: file,
          SECONDS: String(SECONDS),
        }),
      ),
    measured: firstSights,
  });

  const peer = await context.startExpress();
  const peerOpen = () => load({ port: PEER_PORT, next: () => get('/open'), awake: true });
  const onExpress = { to: 'open route of Express', yardstick: peerOpen };
  const onPeer = (requests, awake = false) => {
    const next = inTurn(requests);
    return () => load({ port: PEER_PORT, next, awake });
  };
  const byCookieOf = (path) => sessions.map((cookie) => getWithCookie(path, `session_id=${cookie}`));
  await add({
    ...onExpress,
    what: 'Express, passport-jwt with a PEM',
    measured: onPeer(
      tokens.map((token) => get('/passport-jwt', token)),
      true,
    ),
  });
  const usual = onPeer(byCookieOf('/express-session'));
  await add({ ...onExpress, what: 'Express, express-session with connect-pg-simple', measured: usual });
  await add({
    ...onExpress,
    what: 'Express, the same without touching the session',
    measured: onPeer(byCookieOf('/express-session/untouched')),
  });
  await add({
    what: 'Bearer by its claims alone',
    to: 'express-session with connect-pg-simple',
    atLeast: 12,
    yardstick: usual,
    measured: verify(bearer),
  });
  const me = byDatabase(tokens.map((token) => get('/api/users/me', token)));
  await add({
    what: 'user read from PostgreSQL',
    to: 'Express with jsonwebtoken',
    atLeast: 2,
    yardstick: onPeer(tokens.map((token) => get('/jsonwebtoken/me', token))),
    measured: me,
  });
  await add({
    what: 'user read from PostgreSQL',
    to: 'Express with express-session and connect-pg-simple',
    atLeast: 5,
    yardstick: onPeer(byCookieOf('/express-session/me')),
    measured: me,
  });
  await end(peer);
  return rows;
}
