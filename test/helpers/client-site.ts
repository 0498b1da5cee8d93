import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A product's site with an empty page, the scripts that it loads, and the service behind the same origin. Answers of the service can get lost. */
export class ClientSite {
  /** Scripts by path. */
  readonly scripts = new Map<string, string>();
  /** Where paths redirect to. */
  readonly redirects = new Map<string, string>();
  /** How many calls of each path the service has answered with 2xx. */
  readonly answered = new Map<string, number>();
  /** How many answers got lost. */
  lost = 0;
  /** Whether the answer to a call of that path gets lost. */
  loses: (path: string) => boolean = () => false;
  private readonly agent = new Agent({ keepAlive: true });

  private constructor(
    private readonly server: Server,
    private target: string,
  ) {
    server.on('request', (incoming, outgoing) => this.serve(incoming, outgoing));
  }

  static async start(target: string): Promise<ClientSite> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ClientSite(server, target);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The service is there from now on. */
  use(target: string): void {
    this.target = target;
  }

  count(path: string): number {
    return this.answered.get(path) ?? 0;
  }

  async stop(): Promise<void> {
    this.agent.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const path = incoming.url!.split('?')[0]!;
    const script = this.scripts.get(path);
    const location = this.redirects.get(path);
    if (script !== undefined) outgoing.setHeader('content-type', 'text/javascript').end(script);
    else if (location !== undefined) outgoing.writeHead(302, { location }).end();
    else if (/^\/(auth|api)\//.test(path)) this.pass(path, incoming, outgoing);
    else outgoing.setHeader('content-type', 'text/html').end('<!doctype html><title>Product</title>');
  }

  private pass(path: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, headers } = incoming;
    const sent = request(
      `${this.target}${incoming.url}`,
      { method: method!, headers, agent: this.agent },
      (answer) => {
        answer.on('error', () => outgoing.destroy());
        if (answer.statusCode! < 300) this.answered.set(path, this.count(path) + 1);
        if (this.loses(path)) {
          this.lost += 1;
          answer.resume();
          outgoing.destroy();
          return;
        }
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      },
    );
    sent.on('error', () => outgoing.destroy());
    outgoing.on('close', () => sent.destroy());
    incoming.pipe(sent);
  }
}
