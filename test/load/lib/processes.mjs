// The server on the first core; this process, and with it the load and the database, on the second. Or all of them wherever there
// is room, see shareCores.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

export let pinned = spawnSync('taskset', ['-V']).status === 0;
const children = new Set();

const pinnedTo = (core, args) =>
  pinned ? ['taskset', ['-c', String(core), process.execPath, ...args]] : [process.execPath, args];

/** From now on no process is given a core: a machine that runs everything deals its cores out itself. */
export function shareCores() {
  pinned = false;
}

/** Starts `script` on the server's core. */
export function startOnServerCore(script, env, args = [], flags = []) {
  const [command, rest] = pinnedTo(0, [...flags, script, ...args]);
  const child = spawn(command, rest, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Runs `script` on the server's core and returns what it printed. */
export function runOnServerCore(script, env) {
  const [command, rest] = pinnedTo(0, [script]);
  return execFileSync(command, rest, { env: { ...process.env, ...env } }).toString();
}

export async function end(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const impatience = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await gone;
  clearTimeout(impatience);
}

export async function endAll() {
  await Promise.all([...children].map((child) => end(child, 'SIGKILL')));
}

/** Moves a process and its children to a core: those that it starts later inherit it. */
export function pinTree(root, core) {
  if (!pinned) return;
  for (const pid of treeOf(String(root))) {
    try {
      execFileSync('taskset', ['-a', '-c', '-p', String(core), pid], { stdio: 'ignore' });
    } catch {
      // It has ended meanwhile.
    }
  }
}

function treeOf(root) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      if (pid === root) return true;
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === root;
      } catch {
        return false;
      }
    });
}

/** Resident megabytes of a process. */
export function residentMb(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

/** Milliseconds of processor time that a process has used so far. */
export function cpuMs(pid) {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      // A thread that has ended meanwhile.
    }
  }
  return ns / 1e6;
}

export async function until(check, what, milliseconds = 60_000) {
  for (const deadline = performance.now() + milliseconds; performance.now() < deadline;) {
    if (await Promise.resolve(check()).catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${what} within ${milliseconds} ms: no`);
}
