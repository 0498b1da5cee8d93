import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds. */
const READY_WITHIN = 15_000;

/** nginx with its defaults in front of a server: it buffers responses, and speaks HTTP/1.0 to the server. */
export class PlainNginx {
  private constructor(
    readonly url: string,
    private readonly folder: string,
    private readonly child: ChildProcess,
  ) {}

  /** `program`: its path. `directives`: what the location of the server has beside `proxy_pass`. */
  static async start(program: string, upstream: string, directives = ''): Promise<PlainNginx> {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-nginx-'));
    await chmod(folder, 0o755);
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    await new Promise((resolve) => listener.close(resolve));
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (use) => `${use}_temp_path ${folder}/${use};`,
    );
    const location = `location / { proxy_pass ${upstream}; ${directives} }`;
    const text = `events {} http { access_log off; ${paths.join(' ')} server { listen 127.0.0.1:${port}; ${location} } }`;
    await writeFile(join(folder, 'nginx.conf'), text);
    const global = `daemon off; worker_processes 1; pid ${folder}/nginx.pid;`;
    const child = spawn(
      program,
      ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf'), '-g', global],
      {
        stdio: 'ignore',
      },
    );
    const nginx = new PlainNginx(`http://127.0.0.1:${port}`, folder, child);
    await nginx.ready();
    return nginx;
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    if (this.child.exitCode === null && this.child.kill('SIGTERM')) await ended;
    await rm(this.folder, { recursive: true, force: true });
  }

  private async ready(): Promise<void> {
    for (const deadline = Date.now() + READY_WITHIN; Date.now() < deadline; await delay(25)) {
      if (this.child.exitCode !== null) break;
      if (
        await fetch(this.url).then(
          () => true,
          () => false,
        )
      )
        return;
    }
    await this.stop();
    throw new Error('nginx did not start');
  }
}
