// The processes of npm run example.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/** Tandem names its own README. Readers of the example want another page. */
const TANDEMS_PAGE = 'README.md, "See it work"';
const OUR_PAGE = 'docs/adopt/walk-through.md';

/** Milliseconds between two attempts. */
const RETRY_EVERY = 50;

/** Starts a program of Node, and shows its lines. */
export function start(cwd, args, env) {
  const child = run(cwd, args, env);
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => console.log(line.replace(TANDEMS_PAGE, OUR_PAGE)));
  return Object.assign(child, { lines });
}

/** Resolves when the program has written the text. Throws if it ends first. */
export function started(child, text) {
  return ready(child, (resolve) => child.lines.on('line', (line) => line.includes(text) && resolve()));
}

/** Resolves when a program listens on the port. Throws if it ends first. */
export function accepts(child, port) {
  return ready(child, async (resolve) => {
    while (child.exitCode === null && !(await isOpen(port))) await delay(RETRY_EVERY);
    resolve();
  });
}

/** Runs a program of Node to its end, and returns what it wrote. Throws if it fails. */
export async function output(cwd, args, env) {
  const child = run(cwd, args, env);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part) => (text += part));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${args[0]} ended with ${code}`);
  return text;
}

/** The ports that the environment names, or the defaults. Throws if another program uses one of them. */
export async function freePorts(defaults, command) {
  const ports = {};
  for (const [name, usual] of Object.entries(defaults)) {
    const port = Number(process.env[name] || usual);
    if (await isTaken(port))
      throw new Error(
        `Port ${port} is in use. Stop the program that uses it, or set another port: ${name}=${port + 100} ${command}`,
      );
    ports[name] = port;
  }
  return ports;
}

function ready(child, begin) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`a program of the example ended with ${code}`)));
    void begin(resolve);
  });
}

/** With the variables of the example only. The output is a pipe, which would have no colours by itself. */
function run(cwd, args, env) {
  const { PATH, HOME, TMPDIR = '/tmp' } = process.env;
  const colours = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};
  return spawn(process.execPath, args, {
    cwd,
    env: { PATH, HOME, TMPDIR, ...colours, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function isTaken(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', ({ code }) => resolve(code === 'EADDRINUSE'));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(false)));
  });
}

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
