import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

type Mode = 'open' | 'cut' | 'black-hole';

/**
 * A link to PostgreSQL over loopback that can fail. What went into a black hole never comes out, and the connections it
 * swallowed stay dead after it has been healed, as behind a firewall that has lost its state: nobody is told.
 */
export class TcpProxy {
  private mode: Mode = 'open';
  private readonly pairs = new Set<readonly [Socket, Socket | undefined]>();

  private constructor(
    private readonly server: Server,
    private target: URL,
  ) {
    server.on('connection', (socket) => this.accept(socket));
  }

  /** A proxy to the server of a database URL. */
  static async to(databaseUrl: string): Promise<TcpProxy> {
    // Half-open, so that not even the end of a connection comes back out of a black hole.
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TcpProxy(server, new URL(databaseUrl));
  }

  /** The database's URL by way of the proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** Leads new connections to another server from now on, as the address of a failover does. */
  lead(databaseUrl: string): void {
    this.target = new URL(databaseUrl);
  }

  /** Resets what is connected and refuses whoever comes. */
  cut(): void {
    this.mode = 'cut';
    for (const [near, far] of this.pairs) {
      near.resetAndDestroy();
      far?.destroy();
    }
  }

  /** Goes on accepting, and answers nothing any more. */
  blackHole(): void {
    this.mode = 'black-hole';
    for (const [near, far] of this.pairs) swallow(near, far);
  }

  /** New connections work again. */
  heal(): void {
    this.mode = 'open';
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(near: Socket): void {
    if (this.mode === 'cut') {
      near.on('error', () => {}).resetAndDestroy();
      return;
    }
    const far =
      this.mode === 'open' ? connect(Number(this.target.port || 5432), this.target.hostname) : undefined;
    const pair = [near, far] as const;
    this.pairs.add(pair);
    near
      .on('error', () => {})
      .on('close', () => {
        this.pairs.delete(pair);
        far?.destroy();
      });
    if (far === undefined) swallow(near, far);
    else {
      far.on('error', () => {}).on('close', () => near.destroy());
      near.pipe(far).pipe(near);
    }
  }
}

function swallow(near: Socket, far: Socket | undefined): void {
  near.unpipe().removeAllListeners('data').resume();
  far
    ?.unpipe()
    .removeAllListeners('close')
    .on('close', () => {})
    .destroy();
}
