import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A load balancer as plain as they come: the nodes in turn, over connections that it keeps, and another node only where the
 * first refused the connection. What a node did with a request nobody knows, so none is ever sent twice.
 */
export class RoundRobin {
  private readonly agent = new Agent({ keepAlive: true, keepAliveMsecs: 1_000 });
  private turn = 0;
  private nodes: readonly string[] = [];

  private constructor(private readonly server: Server) {
    server.on('request', (incoming, outgoing) => void this.serve(incoming, outgoing));
  }

  static async start(): Promise<RoundRobin> {
    // It closes no idle connection: a client may be about to use it.
    const server = createServer({ keepAliveTimeout: 0 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new RoundRobin(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The URLs of the nodes that it has to serve by from now on. */
  use(...nodes: readonly string[]): void {
    this.nodes = nodes;
  }

  async stop(): Promise<void> {
    this.agent.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const order = this.nodes.map((_, index) => this.nodes[(this.turn + index) % this.nodes.length]!);
    this.turn += 1;
    for (const node of order) {
      try {
        return await this.pass(incoming, body, node, outgoing);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') continue;
        outgoing.writeHead(502).end(String(error));
        return;
      }
    }
    outgoing.writeHead(502).end('no node takes connections');
  }

  private pass(from: IncomingMessage, body: Buffer, node: string, to: ServerResponse): Promise<void> {
    return new Promise((resolve, reject) => {
      const { connection: _, ...headers } = from.headers;
      const sent = request(
        `${node}${from.url}`,
        { method: from.method!, headers, agent: this.agent },
        (answer) => {
          to.writeHead(answer.statusCode!, { ...answer.headers, connection: 'keep-alive' });
          answer.pipe(to).on('finish', resolve);
          answer.on('error', reject);
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }
}
