import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const EXAMPLES = join(import.meta.dirname, '..', '..', '..', 'examples', 'proxies');

/** Milliseconds. */
const READY_WITHIN = 15_000;

/** The ports that stand in the examples. */
const TANDEM = 5000;
const PRODUCT = 3000;
const PUBLIC = 8080;
const PRIVATE = 8081;
/** The one that haproxy-tandem.lua asks. */
const QUESTIONS = 8082;

interface Program {
  /** The name of the program and of its Debian package. */
  readonly program: 'nginx' | 'caddy' | 'haproxy';
  readonly file: string;
  /** Files that the example names by a path of its own. */
  readonly beside?: readonly string[];
  readonly args: (folder: string, file: string) => readonly string[];
}

const NGINX = (folder: string, file: string) => [
  '-p',
  folder,
  '-e',
  'stderr',
  '-c',
  join(folder, file),
  '-g',
  `daemon off; worker_processes 1; pid ${folder}/nginx.pid;`,
];

const EXAMPLE_PROGRAMS = {
  nginx: { program: 'nginx', file: 'nginx.conf', args: NGINX },
  'nginx with a path prefix': { program: 'nginx', file: 'nginx-path-prefix.conf', args: NGINX },
  Caddy: {
    program: 'caddy',
    file: 'Caddyfile',
    args: (folder, file) => ['run', '--adapter', 'caddyfile', '--config', join(folder, file)],
  },
  'Caddy with a path prefix': {
    program: 'caddy',
    file: 'Caddyfile-path-prefix',
    args: (folder, file) => ['run', '--adapter', 'caddyfile', '--config', join(folder, file)],
  },
  HAProxy: {
    program: 'haproxy',
    file: 'haproxy.cfg',
    beside: ['haproxy-tandem.lua'],
    args: (folder, file) => ['-db', '-f', join(folder, file)],
  },
} as const satisfies Record<string, Program>;

export type ProxyName = keyof typeof EXAMPLE_PROGRAMS;

/** The examples that protect a product and have a program in Debian. */
export const PROTECTING: readonly ProxyName[] = ['nginx', 'Caddy', 'HAProxy'];

/** The examples that serve Tandem below /sso. */
export const PREFIXING: readonly ProxyName[] = ['nginx with a path prefix', 'Caddy with a path prefix'];

/** The path of an installed program. */
export function pathOf(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/sbin'];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** Why the example cannot run here, if it cannot. */
function without(name: ProxyName): string | undefined {
  const { program } = EXAMPLE_PROGRAMS[name];
  return pathOf(program) === undefined ? `no ${program}: install Debian's package "${program}"` : undefined;
}

/** Those of `names` that can run here. Says on the console which cannot, and why. */
export function running(names: readonly ProxyName[]): readonly ProxyName[] {
  return names.filter((name) => {
    const reason = without(name);
    if (reason !== undefined) console.warn(`The example for ${name} is not tested: ${reason}`);
    return reason === undefined;
  });
}

/** A real proxy that runs an example, with other ports. */
export class ProxyProcess {
  output = '';
  private readonly exited: Promise<unknown>;

  private constructor(
    readonly name: ProxyName,
    readonly port: number,
    readonly privatePort: number,
    private readonly folder: string,
    private readonly child: ChildProcess,
  ) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.exited = new Promise((resolve) => child.once('close', resolve));
  }

  /** Resolves when both listeners answer. Throws if the example does not name each port that it should. */
  static async start(
    name: ProxyName,
    upstream: { readonly tandem: number; readonly product: number },
  ): Promise<ProxyProcess> {
    const { program, file, args, beside = [] }: Program = EXAMPLE_PROGRAMS[name];
    const folder = await mkdtemp(join(tmpdir(), 'tandem-proxy-'));
    await chmod(folder, 0o755);
    const [port, privatePort, questions] = (await freePorts(3)) as [number, number, number];
    const ports: Record<number, number> = { [PUBLIC]: port, [PRIVATE]: privatePort, [QUESTIONS]: questions };
    ports[TANDEM] = upstream.tandem;
    ports[PRODUCT] = upstream.product;
    for (const each of [file, ...beside]) {
      const text = await readFile(join(EXAMPLES, each), 'utf8');
      await writeFile(join(folder, each), forTest(text, ports, folder));
    }
    const child = spawn(pathOf(program)!, args(folder, file), {
      env: { PATH: process.env['PATH'], HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const proxy = new ProxyProcess(name, port, privatePort, folder, child);
    await proxy.ready();
    return proxy;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) this.child.kill('SIGTERM');
    const killer = setTimeout(() => this.child.kill('SIGKILL'), 3_000);
    await this.exited;
    clearTimeout(killer);
    await rm(this.folder, { recursive: true, force: true });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The listener for operators. */
  get privateUrl(): string {
    return `http://127.0.0.1:${this.privatePort}`;
  }

  private async ready(): Promise<void> {
    for (const deadline = Date.now() + READY_WITHIN; Date.now() < deadline; await delay(25)) {
      if (this.child.exitCode !== null) break;
      if ((await accepts(this.port)) && (await accepts(this.privatePort))) return;
    }
    await this.stop();
    throw new Error(`${this.name} did not start:\n${this.output}`);
  }
}

/** The example with the ports of the test and files that any user may write. */
function forTest(text: string, ports: Readonly<Record<number, number>>, folder: string): string {
  return text
    .replace(/\b(5000|3000|808[012])\b/g, (port) => String(ports[Number(port)]))
    .replace('/etc/haproxy/', `${folder}/`)
    .replace('/var/log/nginx/access.log', `${folder}/access.log`)
    .replace(/^http \{$/m, (line) =>
      ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((use) => `${use}_temp_path ${folder}/${use};`)
        .reduce((head, next) => `${head}\n  ${next}`, line),
    );
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Ports that nobody uses now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ports.push((server.address() as AddressInfo).port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
