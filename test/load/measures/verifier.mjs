// What following revocations costs a service that verifies tokens by itself.
import { compare } from '../lib/compare.mjs';
import { get } from '../lib/closed-loop.mjs';
import { inTurn, load } from '../lib/load.mjs';
import { end, startOnServerCore, until } from '../lib/processes.mjs';
import { makeClient } from '../lib/clients.mjs';
import { PEER_PORT, PORT } from '../lib/settings.mjs';

const ISSUER_URL = `http://127.0.0.1:${PORT}`;

export async function run({ tokens }) {
  const peer = startOnServerCore('test/load/peers/verifying.mjs', {
    ISSUER: 'http://tandem.test',
    ISSUER_URL,
    CLIENT: JSON.stringify(await makeClient('bench', ['revocations'])),
    PORT: String(PEER_PORT),
  });
  const ask = (path) => {
    const next = inTurn(tokens.map((token) => get(path, token)));
    return () => load({ port: PEER_PORT, next, awake: true });
  };
  await until(
    () => fetch(`http://127.0.0.1:${PEER_PORT}/local`).then(({ status }) => status === 401),
    'it answers',
  );
  // Both have verified every signature once.
  await ask('/local')();
  await ask('/followed')();
  const row = await compare({
    group: 'Authentication of a request',
    what: 'verifier package that follows revocations',
    to: 'the same without the stream',
    atLeast: 0.9,
    yardstick: ask('/local'),
    measured: ask('/followed'),
  });
  await end(peer);
  return [row];
}
