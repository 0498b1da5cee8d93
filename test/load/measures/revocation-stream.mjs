// What a service waits for when it begins to follow revocations: the first snapshot of a node that has sent none before. And what
// everybody else waits for meanwhile.
import { once } from 'node:events';
import { connect } from 'node:net';
import { figure } from '../lib/compare.mjs';
import { get } from '../lib/closed-loop.mjs';
import { makeClient } from '../lib/clients.mjs';
import { startService } from '../lib/service.mjs';
import { PORT, ROUNDS, STREAMED } from '../lib/settings.mjs';

const group = 'Revocations for other services';
const STREAM_PORT = PORT + 2;

export async function run({ database }) {
  const { client } = database;
  await client.query(
    `INSERT INTO revocations (xid, kind, subject, expires_at)
     SELECT pg_current_xact_id()::text::bigint, 'sid', gen_random_uuid(), now() + interval '10 minutes'
     FROM generate_series(1, $1::integer)`,
    [STREAMED],
  );
  const { id, secret } = await makeClient('stream', ['revocations']);
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const first = [];
  const shared = [];
  const others = [];
  for (let round = 0; round < ROUNDS; round++) {
    const node = await startService(database, STREAM_PORT);
    const loop = callInALoop();
    first.push(await follow(authorization));
    others.push(await loop.end());
    shared.push(await follow(authorization));
    await node.end();
  }
  await client.query('TRUNCATE revocations');
  const row = { group, unit: 'ms' };
  const what = `${STREAMED} revocations in the first snapshot of a node`;
  return [
    figure({ ...row, what, atMost: 200 }, first),
    figure({ ...row, what: 'the same snapshot for the next consumer' }, shared),
    figure(
      { ...row, what: 'the longest answer to another request during the first snapshot', atMost: 50 },
      others,
    ),
  ];
}

/** Milliseconds from the request until `fresh`, which comes after everything that is revoked. */
async function follow(authorization) {
  const socket = connect(STREAM_PORT, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  const chunks = [];
  const began = performance.now();
  socket.write(
    `GET /oauth/revocations HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${authorization}\r\n\r\n`,
  );
  let tail = '';
  for await (const chunk of socket) {
    chunks.push(chunk);
    tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - 500))).slice(-500);
    if (tail.includes('event: fresh')) break;
  }
  const took = performance.now() - began;
  socket.destroy();
  const count = Buffer.concat(chunks).toString('latin1').split('{"sid":').length - 1;
  if (count !== STREAMED) throw new Error(`the snapshot had ${count} revocations: ${tail}`);
  return took;
}

/** Milliseconds that the other client waits before it calls again. */
const PAUSE = 5;

/** Another client that calls all the time; the milliseconds of its slowest answer. */
function callInALoop() {
  const socket = connect(STREAM_PORT, '127.0.0.1');
  socket.setNoDelay(true);
  const ended = once(socket, 'close');
  let longest = 0;
  let asked = Infinity;
  let timer;
  const ask = () => {
    asked = performance.now();
    socket.write(get('/health/live'));
  };
  socket.on('connect', ask);
  socket.on('data', () => {
    longest = Math.max(longest, performance.now() - asked);
    asked = Infinity;
    timer = setTimeout(ask, PAUSE);
  });
  return {
    async end() {
      clearTimeout(timer);
      longest = Math.max(longest, performance.now() - asked);
      socket.destroy();
      await ended;
      return longest;
    },
  };
}
