import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNginx } from '../../../../examples/legacy-product/nginx.mjs';
import type { Ports } from '../../../../examples/legacy-product/nginx.mjs';
import { until } from '../../client.js';

/** The address from which nginx calls everybody. No client of a test has it. */
export const PROXY_ADDRESS = '127.0.0.2';

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** nginx as the example product starts it. */
export class Nginx {
  private output = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  static async start(ports: Ports): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-nginx-'));
    const child = await startNginx(folder, ports, PROXY_ADDRESS);
    const nginx = new Nginx(child, folder, `http://127.0.0.1:${ports.open}`);
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
