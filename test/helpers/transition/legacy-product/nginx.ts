import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../client.js';

const CONFIG = join(import.meta.dirname, '..', '..', '..', '..', 'examples', 'legacy-product', 'nginx.conf');

/** The address from which nginx calls everybody. No client of a test has it. */
export const PROXY_ADDRESS = '127.0.0.2';

/** Debian's nginx is not on everybody's path. */
const ENV = { PATH: `${process.env['PATH']}:/usr/sbin` };

export function hasNginx(): boolean {
  return process.platform === 'linux' && spawnSync('nginx', ['-v'], { env: ENV }).status === 0;
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** nginx with the configuration of the example product. Only its addresses, and where it writes, are those of the test. */
export class Nginx {
  private output = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  static async start(ports: {
    readonly tandem: readonly [number, number];
    readonly shop: number;
    readonly reports: number;
    readonly open: number;
    readonly closed: number;
  }): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-nginx-'));
    const { open, closed } = ports;
    const places: readonly (readonly [string, string])[] = [
      ['server 127.0.0.1:5000 ', `server 127.0.0.1:${ports.tandem[0]} `],
      ['server 127.0.0.1:5001 ', `server 127.0.0.1:${ports.tandem[1]} `],
      ['server 127.0.0.1:3000;', `server 127.0.0.1:${ports.shop};`],
      ['server 127.0.0.1:3001;', `server 127.0.0.1:${ports.reports};`],
      ['listen 8080;', `listen 127.0.0.1:${open};`],
      ['listen 127.0.0.1:8081;', `listen 127.0.0.1:${closed};`],
      ['access_log /var/log/nginx/access.log without_query;', 'access_log off;'],
      ['events {', `${asRoot()}daemon off;\npid nginx.pid;\nerror_log stderr;\nevents {`],
      ['http {', `http {\n${temporaryFolders()}proxy_bind ${PROXY_ADDRESS};\n`],
    ];
    const text = places.reduce(
      (config, [from, to]) => {
        if (config.split(from).length !== 2) throw new Error(`nginx.conf does not have "${from}" once`);
        return config.replace(from, to);
      },
      readFileSync(CONFIG, 'utf8'),
    );
    await writeFile(join(folder, 'nginx.conf'), text);
    const child = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', 'nginx.conf'], {
      env: ENV,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const nginx = new Nginx(child, folder, `http://127.0.0.1:${open}`);
    try {
      await until(() => nginx.answers(), 20_000);
    } catch (error) {
      await nginx.stop();
      throw new Error(`nginx did not start:\n${nginx.output}`, { cause: error });
    }
    return nginx;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'close');
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private async answers(): Promise<boolean> {
    if (this.child.exitCode !== null) throw new Error('nginx has ended');
    return fetch(`${this.url}/metrics`).then(
      ({ status }) => status === 404,
      () => false,
    );
  }
}

function asRoot(): string {
  return process.getuid?.() === 0 ? 'user root;\n' : '';
}

function temporaryFolders(): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${name};\n`)
    .join('');
}
