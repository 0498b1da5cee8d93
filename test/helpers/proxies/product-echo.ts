import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it reached the product. */
export interface Reached {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  body: string;
}

/** The product behind the proxies: it notes every request and answers 200, or 101 to a WebSocket. */
export class ProductEcho {
  private requests: Reached[] = [];
  /** All requests since the start. */
  total = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ProductEcho> {
    const server = createServer();
    const product = new ProductEcho(server);
    server.on('request', (request, response) => {
      const reached = product.note(request);
      request.setEncoding('utf8').on('data', (text: string) => (reached.body += text));
      request.on('end', () => {
        response.setHeader('Set-Cookie', 'product=1').setHeader('X-Product', 'yes');
        response.end('product');
      });
    });
    server.on('upgrade', (request, socket) => {
      product.note(request);
      socket.on('error', () => undefined);
      const head = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'];
      socket.end([...head, `Sec-WebSocket-Accept: ${acceptFor(request)}`, '', ''].join('\r\n'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return product;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The requests since the last call. */
  take(): Reached[] {
    const taken = this.requests;
    this.requests = [];
    return taken;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private note({ method = '', url = '', rawHeaders }: IncomingMessage): Reached {
    const reached = { method, url, rawHeaders, body: '' };
    this.requests.push(reached);
    this.total += 1;
    return reached;
  }
}

/** The answer to a WebSocket's key (RFC 6455, section 4.2.2). HAProxy verifies it. */
function acceptFor({ headers }: IncomingMessage): string {
  const text = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  return createHash('sha1').update(text).digest('base64');
}

/** The values of the headers whose name looks like `name` to a product that takes only letters and digits, as CGI, WSGI and PHP do. */
export function valuesOf({ rawHeaders }: Reached, name: string): string[] {
  const like = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '-');
  return rawHeaders.filter((_, index) => index % 2 === 1 && like(rawHeaders[index - 1]!) === like(name));
}
