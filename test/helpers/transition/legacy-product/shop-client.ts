import { Agent, request } from 'node:http';
import type { OutgoingHttpHeaders } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** Of all clients together. More than there are clients, so that none waits for another. */
const agent = new Agent({ keepAlive: true, maxSockets: 128 });

/** Milliseconds between two steps: people read what they see. */
const PAUSE = 500;

/** A service that cannot answer for longer than this is down. */
const MAX_REPEATS = 10;

/** How often a client without tokens asks for some: at every third step. */
const ASKS_EVERY = 3;

/** What a client may be told instead of an answer, in the part of the walk that means to. */
export type Expected = 'sessions_brownout' | 'sessions_removed';

/** Web: the refresh token is in a cookie. Mobile: in the body. Cookie: knows nothing of tokens. */
export type Kind = 'web' | 'mobile' | 'cookie';

export interface Account {
  readonly email: string;
  readonly password: string;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly code: string | undefined;
  readonly body: Record<string, unknown>;
}

/** What happened to all clients of a walk. */
export interface Tally {
  calls: number;
  exchanged: number;
  refreshed: number;
  downgraded: number;
  /** Answered 503 and repeated after the time that it named. */
  repeated: number;
  /** A client that follows the rules was refused, or saw the data of somebody else. */
  readonly unexpected: string[];
}

/**
 * A client of the shop that follows the rules of the migration guide. It never logs in by itself: a refusal that leaves it with nothing is
 * an unexpected logout, unless the test has said that it is meant ({@link mayEnd}, {@link expects}).
 */
export class ShopClient {
  steps = 0;
  /** The refusals that it was told to expect, with the step at which each was seen last. */
  readonly seen = new Map<Expected, number>();
  /** The step at which the last answer told of the sunset. */
  sunsetSeenAt = -1;
  /** Its user was disabled or has a new password: it may be refused from now on. */
  mayEnd = false;
  expects: Expected | undefined;
  /** Tandem is in front of the shop. A web or mobile client then asks for tokens. */
  isBehindTandem = false;
  id = 0;
  /** The second service, as long as it has an address of its own. */
  reportsUrl: string | undefined;
  private readonly cookies = new Map<string, string>();
  private access: string | undefined;
  private refreshToken: string | undefined;
  /** When the access token may have expired, on the monotonic clock. */
  private expiresAt = 0;
  private stopped = false;
  private running: Promise<void> | undefined;

  constructor(
    public url: string,
    readonly kind: Kind,
    public account: Account,
    private readonly tally: Tally,
  ) {}

  get hasTokens(): boolean {
    return this.access !== undefined;
  }

  /** At the login form of the shop. */
  async logIn(path: '/login' | '/signup' = '/login'): Promise<Reply> {
    const reply = await this.send('POST', path, { ...this.account, name: this.account.email });
    if (reply.status < 300) this.id = reply.body['id'] as number;
    return reply;
  }

  /** At the login of Tandem, which gives tokens. */
  async logInAtTandem(): Promise<Reply> {
    const { email: username, password } = this.account;
    const delivery = this.kind === 'mobile' ? 'body' : 'cookie';
    const asked = performance.now();
    const reply = await this.send('POST', '/auth/login', { username, password, token_delivery: delivery });
    if (reply.status === 200) this.keep(reply, asked);
    return reply;
  }

  /** At the login of Tandem that begins a session. */
  beginSessionAtTandem(): Promise<Reply> {
    const { email: username, password } = this.account;
    return this.send('POST', '/api/login', { username, password });
  }

  /** One call that is not counted, with one refresh if the access token has expired. */
  async ask(method: string, path: string, body?: object): Promise<Reply> {
    const reply = await this.send(method, path, body);
    if (reply.code !== 'token_expired') return reply;
    await this.refresh();
    return this.send(method, path, body);
  }

  /** One call with the credentials as they are. Nothing is counted. */
  tryCall(method: string, path: string, body?: object): Promise<Reply> {
    return this.send(method, path, body);
  }

  /** One refresh with the credentials as they are. Nothing is counted. */
  tryRefresh(): Promise<Reply> {
    return this.send('POST', '/auth/refresh', this.refreshBody());
  }

  /** Another client with the same credentials, as a thief has them. */
  copy(): ShopClient {
    const copied = new ShopClient(this.url, this.kind, this.account, this.tally);
    for (const [name, value] of this.cookies) copied.cookies.set(name, value);
    copied.access = this.access;
    copied.refreshToken = this.refreshToken;
    copied.id = this.id;
    return copied;
  }

  /** Forgets its credentials, as a reinstalled program does. */
  forget(): void {
    this.cookies.clear();
    this.access = undefined;
    this.refreshToken = undefined;
  }

  /** Calls all the time until {@link stop}. */
  start(): void {
    this.stopped = false;
    this.running = this.loop();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async loop(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.step();
      } catch (error) {
        this.tally.unexpected.push(`${this.kind} ${this.account.email}: ${String(error)}`);
      }
      this.steps += 1;
      await delay(PAUSE);
    }
  }

  private async step(): Promise<void> {
    const mayAsk = this.isBehindTandem && this.kind !== 'cookie' && !this.hasTokens;
    if (mayAsk && this.steps % ASKS_EVERY === 0) await this.exchange();
    switch (this.steps % (this.isBehindTandem ? 5 : 4)) {
      case 0:
        return this.use('GET', '/me', ({ id }) => [id]);
      case 1:
        return this.use('POST', '/orders', ({ user_id }) => [user_id], {
          item: this.account.email,
          cents: 1,
        });
      case 2:
        return this.use('GET', '/orders', ({ orders }) =>
          (orders as { user_id: number; item: string }[]).map(({ user_id, item }) =>
            item === this.account.email ? user_id : item,
          ),
        );
      case 3:
        return this.use('GET', '/reports/spending', ({ user_id }) => [user_id]);
      default:
        return this.use('GET', '/api/users/me', ({ external_id }) => [Number(external_id)]);
    }
  }

  /** A call of the product. `owners`: whose data the answer has. */
  private async use(
    method: string,
    path: string,
    owners: (body: Record<string, unknown>) => unknown[],
    body?: object,
    again = false,
  ): Promise<void> {
    const reply = await this.send(method, path, body);
    this.tally.calls += 1;
    if (reply.headers['sunset'] !== undefined) this.sunsetSeenAt = this.steps;
    if (reply.status < 300) {
      const others = owners(reply.body).filter((owner) => owner !== this.id);
      if (others.length > 0) this.fail(`${path} of ${others.join()}`, reply);
    } else if (this.mayRefresh(reply, again)) {
      await this.refresh();
      await this.use(method, path, owners, body, true);
    } else this.refused(`${method} ${path}`, reply);
  }

  /** After a refresh only if the call took longer than the new token lives, as on a machine that stalls. */
  private mayRefresh({ code }: Reply, again: boolean): boolean {
    if (again) return code === 'token_expired' && performance.now() >= this.expiresAt;
    return code === 'token_expired' || code === 'token_revoked';
  }

  private async exchange(): Promise<void> {
    const asked = performance.now();
    const reply = await this.send('POST', '/auth/exchange', {});
    if (reply.status === 200) {
      this.tally.exchanged += 1;
      this.keep(reply, asked);
    } else if (reply.code !== 'jwt_not_enabled') this.refused('exchange', reply);
  }

  private async refresh(): Promise<void> {
    const body = this.refreshBody();
    const asked = performance.now();
    const reply = await this.send('POST', '/auth/refresh', body);
    if (reply.status === 200) {
      this.tally.refreshed += 1;
      this.keep(reply, asked);
    } else if (reply.code === 'jwt_not_enabled') await this.downgrade(body);
    else this.refused('refresh', reply);
  }

  private refreshBody(): object {
    return this.kind === 'mobile' ? { refresh_token: this.refreshToken } : {};
  }

  private async downgrade(body: object): Promise<void> {
    const reply = await this.send('POST', '/auth/downgrade', body);
    if (reply.status !== 200) return this.refused('downgrade', reply);
    this.tally.downgraded += 1;
    this.access = undefined;
    this.refreshToken = undefined;
  }

  /** `asked`: when the tokens were asked for. The time in a token has whole seconds. */
  private keep({ body }: Reply, asked: number): void {
    this.expiresAt = asked + (Number(body['expires_in']) - 1) * 1_000;
    this.access = body['access_token'] as string;
    this.refreshToken = body['refresh_token'] as string | undefined;
  }

  private refused(what: string, reply: Reply): void {
    if (reply.code !== undefined && reply.code === this.expects) this.seen.set(this.expects, this.steps);
    else if (!this.mayEnd) this.fail(what, reply);
  }

  private fail(what: string, { status, code }: Reply): void {
    this.tally.unexpected.push(
      `${this.kind} ${this.account.email}: ${what}: ${status} ${code ?? ''} with ${this.hasTokens ? 'a token' : 'a session'}`,
    );
  }

  private async send(method: string, path: string, body?: object): Promise<Reply> {
    for (let repeats = 0; ; repeats += 1) {
      const reply = await this.sendOnce(method, path, body);
      if (reply.status !== 503 || repeats === MAX_REPEATS) return reply;
      this.tally.repeated += 1;
      await delay(Number(reply.headers['retry-after'] ?? 1) * 1000);
    }
  }

  private sendOnce(method: string, path: string, body?: object): Promise<Reply> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers: OutgoingHttpHeaders = {};
    if (this.cookies.size > 0)
      headers['cookie'] = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    // As a browser sends it.
    if (this.kind === 'web' && method !== 'GET') headers['origin'] = this.url;
    if (this.access !== undefined) headers['authorization'] = `Bearer ${this.access}`;
    if (payload !== undefined) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = Buffer.byteLength(payload);
    }
    return new Promise((resolve, reject) => {
      const origin = path.startsWith('/reports/') ? (this.reportsUrl ?? this.url) : this.url;
      const sent = request(`${origin}${path}`, { method, headers, agent, timeout: 20_000 }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          this.store(response.headers['set-cookie'] ?? []);
          const text = Buffer.concat(parts).toString('utf8');
          const parsed = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
          const code = parsed['code'] as string | undefined;
          resolve({ status: response.statusCode!, headers: response.headers, code, body: parsed });
        });
      });
      sent.on('error', reject).on('timeout', () => sent.destroy(new Error('no answer')));
      sent.end(payload);
    });
  }

  private store(headers: readonly string[]): void {
    for (const header of headers) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(header)!;
      if (value === '' || /;\s*max-age=0/i.test(header) || /;\s*expires=Thu, 01 Jan 1970/i.test(header))
        this.cookies.delete(name!);
      else this.cookies.set(name!, value!);
    }
  }
}
