import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Clock } from '../../../../src/common/clock.js';
import { CACHED_MS, sidOf } from '../../../../src/transition/sessions/callback/callback-cookies.js';
import { HOUR } from './store-under-test.js';
import type { ProductSessions } from './store-under-test.js';

const SECRET = 'shared-by-the-product-and-tandem';

interface Session {
  readonly user: unknown;
  readonly until: number;
}

/** A clock of the nodes. When the product changes a session, it jumps so that no answer from before counts any more. */
export class JumpingClock extends Clock {
  private ahead = 0;

  override monotonic(): number {
    return super.monotonic() + this.ahead;
  }

  jump(): void {
    this.ahead += CACHED_MS;
  }
}

/** A product that answers the session callback from a list in memory. Tandem calls each session by the hash of its name. */
export class ListedProduct implements ProductSessions {
  private readonly named = new Map<string, { readonly cookie: string; readonly name: string }>();
  private readonly live = new Map<string, Session>();
  private readonly server = createServer((request, response) => {
    // With a date, Tandem rounds every expiry down by a second.
    response.sendDate = false;
    void this.answer(request, response);
  });

  private constructor(private readonly clock: JumpingClock) {}

  static async start(clock: JumpingClock): Promise<ListedProduct> {
    const product = new ListedProduct(clock);
    await new Promise<void>((resolve) => product.server.listen(0, '127.0.0.1', resolve));
    return product;
  }

  get settings(): { readonly url: string; readonly secret: string } {
    const { port } = this.server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}/session`, secret: SECRET };
  }

  newSid(): string {
    const [cookie, name] = [`c-${randomUUID()}`, `n-${randomUUID()}`];
    const sid = sidOf(name);
    this.named.set(sid, { cookie, name });
    return sid;
  }

  /** The value of the cookie. */
  cookieOf(sid: string): string {
    return this.named.get(sid)!.cookie;
  }

  async write(sid: string, session: object, life: number): Promise<void> {
    this.live.set(sid, { user: (session as { userId?: unknown }).userId, until: Date.now() + life });
    this.clock.jump();
  }

  async end(sid: string): Promise<void> {
    this.live.delete(sid);
    this.clock.jump();
  }

  async lifeOf(sid: string): Promise<number | undefined> {
    const life = (this.live.get(sid)?.until ?? 0) - Date.now();
    return life > 0 ? life : undefined;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${SECRET}`) return void response.writeHead(403).end();
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const body = (text === '' ? {} : JSON.parse(text)) as { user?: string; session?: string };
    if (request.method === 'GET') return this.describe(request.headers.cookie, response);
    if (request.method === 'POST') return this.begin(body.user, response);
    for (const [sid, { user }] of this.live)
      if (body.session === undefined ? isSame(user, body.user) : this.named.get(sid)!.name === body.session)
        this.live.delete(sid);
    response.writeHead(204).end();
  }

  private describe(cookie: string | undefined, response: ServerResponse): void {
    const value = cookie?.slice(cookie.indexOf('=') + 1);
    const [sid, named] = [...this.named].find(([, known]) => known.cookie === value) ?? [];
    const { user, until } = this.live.get(sid ?? '') ?? { user: undefined, until: 0 };
    if (until <= Date.now() || typeof user !== 'string') return void response.writeHead(401).end();
    const expires = new Date(until).toISOString();
    response.writeHead(200).end(JSON.stringify({ user, session: named!.name, expires_at: expires }));
  }

  private begin(user: string | undefined, response: ServerResponse): void {
    const sid = this.newSid();
    this.live.set(sid, { user, until: Date.now() + HOUR });
    response.writeHead(200, { 'set-cookie': `session_id=${this.cookieOf(sid)}; Path=/; HttpOnly` }).end('{}');
  }
}

/** Users are named by UUIDs here. */
function isSame(user: unknown, name: string | undefined): boolean {
  return typeof user === 'string' && user.toLowerCase() === name;
}
