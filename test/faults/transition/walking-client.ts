import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** Of all clients together. More than the workers that drive them. */
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** A node that cannot answer for longer than this is down. */
const MAX_REPEATS = 10;

interface Reply {
  readonly status: number;
  /** Seconds, of a 503. */
  readonly retryAfter: number;
  readonly code: string | undefined;
  readonly body: Record<string, unknown>;
  readonly cookies: readonly string[];
}

/** What happened to all clients of a walk. */
export interface Count {
  calls: number;
  exchanged: number;
  downgraded: number;
  refreshed: number;
  /** Answered 503 and repeated after the time that it named: nothing is lost by it. */
  repeated: number;
  /** A client that followed the rules was refused: what, and to whom. */
  readonly unexpected: string[];
}

/**
 * A client that follows the rules of the guide: it has a session, asks for tokens in its place, refreshes them, and goes back to a
 * session without a password when a refresh answers 403 `jwt_not_enabled`. It never logs in again: a refusal that leaves it with
 * nothing is an unexpected logout.
 */
export class WalkingClient {
  private tokens: { access: string; refresh: string } | undefined;

  constructor(
    private readonly url: string,
    readonly userId: string,
    private session: string,
    private readonly count: Count,
  ) {}

  get hasTokens(): boolean {
    return this.tokens !== undefined;
  }

  /** Asks for tokens if it has none, else refreshes them if asked to; then calls the API. */
  async step(refresh: boolean): Promise<void> {
    if (this.tokens === undefined) await this.exchange();
    else if (refresh) await this.refresh();
    await this.callApi();
  }

  private async callApi(again = false): Promise<void> {
    const reply = await this.send('GET', '/api/users/me');
    this.count.calls += 1;
    if (reply.status === 200) {
      if (reply.body['id'] !== this.userId) this.fail('somebody else', reply);
      return;
    }
    if (reply.code === 'token_expired' && !again) {
      await this.refresh();
      await this.callApi(true);
    } else this.fail(this.hasTokens ? 'a call by token' : 'a call by session', reply);
  }

  private async exchange(): Promise<void> {
    const reply = await this.send('POST', '/auth/exchange', {});
    if (reply.status === 200) {
      this.count.exchanged += 1;
      this.keep(reply);
    } else if (reply.code !== 'jwt_not_enabled') this.fail('an exchange', reply);
  }

  private async refresh(): Promise<void> {
    const reply = await this.send('POST', '/auth/refresh', { refresh_token: this.tokens!.refresh });
    if (reply.status === 200) {
      this.count.refreshed += 1;
      this.keep(reply);
    } else if (reply.code === 'jwt_not_enabled') await this.downgrade();
    else this.fail('a refresh', reply);
  }

  private async downgrade(): Promise<void> {
    const reply = await this.send('POST', '/auth/downgrade', { refresh_token: this.tokens!.refresh });
    const cookie = reply.cookies.find((header) => header.startsWith('session_id='));
    if (reply.status !== 200 || cookie === undefined) {
      this.fail('a downgrade', reply);
      return;
    }
    this.count.downgraded += 1;
    this.tokens = undefined;
    this.session = cookie.split(';')[0]!;
  }

  private keep({ body }: Reply): void {
    this.tokens = { access: body['access_token'] as string, refresh: body['refresh_token'] as string };
  }

  private fail(what: string, { status, code }: Reply): void {
    this.count.unexpected.push(`${what}: ${status} ${code} for ${this.userId}`);
  }

  private async send(method: string, path: string, body?: object): Promise<Reply> {
    for (let repeats = 0; ; repeats += 1) {
      const reply = await this.sendOnce(method, path, body);
      if (reply.status !== 503 || repeats === MAX_REPEATS) return reply;
      this.count.repeated += 1;
      await delay(reply.retryAfter * 1000);
    }
  }

  private sendOnce(method: string, path: string, body?: object): Promise<Reply> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string> = { cookie: this.session };
    if (this.tokens !== undefined) headers['authorization'] = `Bearer ${this.tokens.access}`;
    if (payload !== undefined) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = String(Buffer.byteLength(payload));
    }
    return new Promise((resolve, reject) => {
      const sent = request(`${this.url}${path}`, { method, headers, agent, timeout: 20_000 }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8');
          const parsed = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
          resolve({
            status: response.statusCode!,
            retryAfter: Number(response.headers['retry-after']),
            code: parsed['code'] as string | undefined,
            body: parsed,
            cookies: response.headers['set-cookie'] ?? [],
          });
        });
      });
      sent.on('error', reject).on('timeout', () => sent.destroy(new Error('no answer')));
      sent.end(payload);
    });
  }
}
