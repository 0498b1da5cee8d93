import { execFileSync, fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { pinned } from './processes.mjs';

/** Sockets of one process: below the limit of 20,000 open files with room. */
const SOCKETS = 12_000;

/** Local ports used of one source address: outside the range that the kernel deals out by itself, and below its end. */
const FIRST_PORT = 10_000;
const PORTS = 20_000;

/** Addresses that this run has used: a connection that was closed keeps its pair of ports for a minute. */
let used = 0;

/**
 * Starts the users, in as many processes as their sockets need. The kernel would search long for a free port among tens of thousands:
 * each connection is told its own, on one of several loopback addresses.
 *
 * @param {object[]} users each with a `port`, and `token` or `cookie`
 * @param {{ path: string, think: [number, number], ramp: number, logouts: number }} plan times in milliseconds
 * @param {{ first?: boolean }} options `first`: it waits for nobody else on its core, where this process may arrange that
 */
export async function startUsers(users, plan, { first = false } = {}) {
  const placed = users.map((user, index) => ({
    ...user,
    localAddress: addressOf(used + Math.floor(index / PORTS)),
    localPort: FIRST_PORT + (index % PORTS),
  }));
  used += Math.ceil(users.length / PORTS);
  const children = [];
  for (let from = 0; from < placed.length; from += SOCKETS) {
    const child = fork(new URL('../generator.mjs', import.meta.url).pathname, { serialization: 'advanced' });
    if (pinned) execFileSync('taskset', ['-a', '-c', '-p', '1', String(child.pid)], { stdio: 'ignore' });
    if (first) goFirst(child.pid);
    const started = new Promise((resolve) => child.once('message', resolve));
    child.send({ kind: 'start', plan, users: placed.slice(from, from + SOCKETS) });
    children.push(child);
    await started;
  }
  return {
    /** What has been answered since the last time. */
    async window() {
      const parts = await Promise.all(children.map(ask));
      const latencies = parts.flatMap((part) => part.latencies).sort((a, b) => a - b);
      const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))];
      return {
        answers: latencies.length,
        connected: parts.reduce((sum, { connected }) => sum + connected, 0),
        mean: latencies.reduce((sum, latency) => sum + latency, 0) / latencies.length,
        p50: at(0.5),
        p99: at(0.99),
        statuses: added(parts.map(({ statuses }) => statuses)),
        failures: added(parts.map(({ failures }) => failures)),
      };
    },
    async stop() {
      await Promise.all(
        children.map((child) => {
          const gone = new Promise((resolve) => child.once('exit', resolve));
          child.send({ kind: 'stop' });
          return gone;
        }),
      );
    },
  };
}

function goFirst(pid) {
  try {
    setPriority(pid, -15);
  } catch {
    // Only root may.
  }
}

function addressOf(index) {
  return `127.0.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`;
}

function ask(child) {
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('a generator has ended')));
    child.once('message', resolve);
    child.send({ kind: 'window' });
  });
}

function added(counts) {
  const sum = {};
  for (const [key, count] of counts.flatMap(Object.entries)) sum[key] = (sum[key] ?? 0) + count;
  return sum;
}

/** Answers other than 2xx, and connections that failed. */
export function errorsOf({ statuses, failures }) {
  const bad = Object.entries(statuses).filter(([status]) => !status.startsWith('2'));
  return [...bad, ...Object.entries(failures)].reduce((sum, [, count]) => sum + count, 0);
}
