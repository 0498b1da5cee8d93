import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = '/usr/sbin/pgbouncer';

/** Why no PgBouncer can be started here; undefined if it can. */
export const noPgbouncer: string | undefined = existsSync(PROGRAM)
  ? undefined
  : `there is no ${PROGRAM}: install the package pgbouncer`;

/** A real PgBouncer on loopback, with its default settings but for those given. */
export class Pgbouncer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {}

  static async to(
    databaseUrl: string,
    settings: Readonly<Record<string, string | number>>,
  ): Promise<Pgbouncer> {
    const { hostname, port, username, password, pathname } = new URL(databaseUrl);
    const folder = await mkdtemp(join(tmpdir(), 'tandem-pgbouncer-'));
    const listen = await freePort();
    const server = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`;
    const all = {
      listen_addr: '127.0.0.1',
      listen_port: listen,
      unix_socket_dir: '',
      auth_type: 'any',
      ...settings,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
    const user = process.getuid?.() === 0 ? ['user = nobody'] : [];
    const file = join(folder, 'pgbouncer.ini');
    await writeFile(file, ['[databases]', `* = ${server}`, '[pgbouncer]', ...lines, ...user, ''].join('\n'));
    await chmod(folder, 0o755);
    const child = spawn(PROGRAM, ['-q', file], { stdio: 'ignore' });
    const pooler = new Pgbouncer(child, folder, `postgresql://${username}@127.0.0.1:${listen}${pathname}`);
    await listens(listen, child);
    return pooler;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGKILL');
      await exited;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function listens(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`PgBouncer exited with ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
