// Requests by sessions in Redis, against requests by sessions in PostgreSQL. Two nodes on one database.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { compare } from '../lib/compare.mjs';
import { getWithCookie } from '../lib/closed-loop.mjs';
import { inTurn, load } from '../lib/load.mjs';
import { cpuMs, pinTree, until } from '../lib/processes.mjs';
import { makeSessions, startService } from '../lib/service.mjs';
import { PORT } from '../lib/settings.mjs';

const NODE_PORT = PORT + 3;
const REDIS_PORT = PORT + 4;

/** Seconds; the warm-up ends as soon as every session was seen. */
const WARM_UP = 120;

export async function run({ database, users, service }) {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    console.log('redis-sessions: skipped, because redis-server is not installed');
    return [];
  }
  const redis = spawn('redis-server', ['--port', String(REDIS_PORT), '--bind', '127.0.0.1', '--save', ''], {
    stdio: 'ignore',
  });
  const cli = (args, input) =>
    execFileSync('redis-cli', ['-p', String(REDIS_PORT), ...args], {
      input,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
  try {
    await until(
      async () => spawnSync('redis-cli', ['-p', String(REDIS_PORT), 'ping']).status === 0,
      'Redis answers',
    );
    pinTree(redis.pid, 1);
    const cookies = await makeSessions(database, users);
    cli(['--pipe'], commandsFor(cookies, users));
    const node = await startService(database, NODE_PORT, {
      SESSION_STORE: 'redis',
      REDIS_URL: `redis://127.0.0.1:${REDIS_PORT}`,
    });
    try {
      return await measured(cookies, service, node);
    } finally {
      await node.end();
    }
  } finally {
    redis.kill('SIGKILL');
    await once(redis, 'exit');
  }
}

async function measured(cookies, service, node) {
  const requests = cookies.map((cookie) => getWithCookie('/auth/verify', `session_id=${cookie}`));
  const inPostgres = () => load({ next: inTurn(requests) });
  const inRedis = () => load({ port: NODE_PORT, next: inTurn(requests) });
  // The first sight of a session writes its record: each is seen once before anything is measured.
  for (const port of [service.port, NODE_PORT]) {
    const unseen = [...requests];
    await load({ port, seconds: WARM_UP, next: () => unseen.pop() });
  }
  const row = { group: 'Authentication of a request', to: 'session in PostgreSQL', atLeast: 0.9 };
  return [
    await compare({ ...row, what: 'session in Redis', yardstick: inPostgres, measured: inRedis }),
    await compare({
      ...row,
      what: 'the same by the processor time of the node',
      unit: '1/s of CPU',
      yardstick: perCpuSecond(service.pid, inPostgres),
      measured: perCpuSecond(node.pid, inRedis),
    }),
  ];
}

/** How many calls a node answers in a second of its processor time. */
function perCpuSecond(pid, work) {
  return async () => {
    const before = cpuMs(pid);
    const started = performance.now();
    const perSecond = await work();
    return (perSecond * (performance.now() - started)) / (cpuMs(pid) - before);
  };
}

/** The same sessions as in PostgreSQL, as connect-redis writes them. In the protocol of Redis. */
function commandsFor(cookies, users) {
  return cookies
    .map((cookie, index) => {
      const sid = decodeURIComponent(cookie).slice(2).split('.')[0];
      const session = JSON.stringify({
        cookie: { originalMaxAge: 86_400_000, path: '/' },
        userId: users[index].sub,
      });
      const words = ['SET', `sess:${sid}`, session, 'EX', '86400'];
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
      return `*${words.length}\r\n${parts.join('')}`;
    })
    .join('');
}
