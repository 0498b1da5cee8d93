import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** A link over loopback whose packets take some time, in both directions. Their order stays. */
export class SlowLink {
  /** Milliseconds for each packet that is sent from now on. */
  latency = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (near) => this.accept(near));
  }

  static async to(url: string): Promise<SlowLink> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new SlowLink(server, new URL(url));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(near: Socket): void {
    const far = connect(Number(this.target.port), this.target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      let arrival = 0;
      const later = (deliver: () => void) => {
        arrival = Math.max(arrival, performance.now() + this.latency);
        setTimeout(deliver, Math.max(0, arrival - performance.now()));
      };
      from
        .on('data', (chunk) => later(() => to.destroyed || to.write(chunk)))
        .on('end', () => later(() => to.end()))
        .on('error', () => to.destroy())
        .on('close', () => {
          this.sockets.delete(from);
          to.destroy();
        });
    }
  }
}
