import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
// @ts-expect-error an example in JavaScript
import { createShop } from '../../../examples/session-callback/express.mjs';

export const CALLBACK_SECRET = 'shared-by-the-product-and-tandem';

/** A call of Tandem as it arrived. */
export interface ReceivedCall {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
}

/** The example product on express-session with its sessions in memory, and ways to let its callback misbehave. */
export class CallbackProduct {
  readonly cookieName = 'connect.sid';
  readonly calls: ReceivedCall[] = [];
  /** Answers a call instead of the product; false if it leaves it to the product. */
  misbehave: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  /** Is told the names of ended sessions. */
  ended: (session: string) => Promise<void> = async () => undefined;
  private readonly server = createServer((request, response) => {
    if (request.url?.startsWith('/tandem/session') === true) {
      this.calls.push({ method: request.method!, headers: request.headers });
      if (this.misbehave(request, response)) return;
    }
    this.shop(request, response);
  });
  private readonly shop: RequestListener;

  private constructor(maxAge: number) {
    this.shop = createShop({
      sessionSecret: 'signs the cookies of the product',
      callbackSecret: CALLBACK_SECRET,
      maxAge,
      ended: (session: string) => this.ended(session),
    }) as RequestListener;
  }

  static async start(maxAge = 3_600_000): Promise<CallbackProduct> {
    const product = new CallbackProduct(maxAge);
    await new Promise<void>((resolve) => product.server.listen(0, '127.0.0.1', resolve));
    return product;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The settings of a node for this product. */
  get env(): Record<string, string> {
    return {
      SESSION_STORE: 'callback',
      SESSION_CALLBACK_URL: `${this.url}/tandem/session`,
      SESSION_CALLBACK_SECRET: CALLBACK_SECRET,
      SESSION_COOKIE_NAME: this.cookieName,
    };
  }

  /** Logs the user in and returns the Cookie header. */
  async login(user: string): Promise<string> {
    const response = await fetch(`${this.url}/login/${encodeURIComponent(user)}`, { method: 'POST' });
    await response.text();
    return response.headers.getSetCookie()[0]!.split(';')[0]!;
  }

  /** The user whom the product sees. */
  async userOf(cookie: string): Promise<string | undefined> {
    const response = await fetch(`${this.url}/me`, { headers: { cookie } });
    return ((await response.json()) as { user?: string }).user;
  }

  async logout(cookie: string): Promise<void> {
    const response = await fetch(`${this.url}/logout`, { method: 'POST', headers: { cookie } });
    if (response.status !== 204) throw new Error(`no logout: ${response.status}`);
  }

  /** The calls of a method since the last one of these. */
  take(method: string): ReceivedCall[] {
    const taken = this.calls.filter((call) => call.method === method);
    this.calls.length = 0;
    return taken;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }
}
