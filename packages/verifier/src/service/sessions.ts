import { AuthError, unavailable } from '../auth-error.js';
import type { Principal } from '../principal.js';
import type { PresentedRequest } from '../request.js';
import type { Judgement, VerifyEndpoint } from './verify-endpoint.js';

/** How long an answer is used, in milliseconds, counted from when we asked. */
export const MAX_AGE_MS = 1_000;

/** Answers that are held. */
const CAPACITY = 10_000;

/** The headers, besides the method, by which the service detects requests from other sites. */
const ORIGIN_HEADERS = [
  'origin',
  'sec-fetch-site',
  'sec-fetch-mode',
  'sec-fetch-dest',
  'sec-fetch-user',
] as const;

/** A request with one of these may be another one than its method says, so it counts as one that changes state. */
const ALTERING_HEADERS = [
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'upgrade',
  'sec-websocket-key',
] as const;

interface Entry {
  readonly askedAt: number;
  readonly judgement: Promise<Judgement>;
}

/**
 * The principals of session cookies, until v3.0. Only the service knows sessions, so it is asked. Requests that get the same answer share
 * an answer for a second.
 */
export class SessionAnswers {
  /** The cached answers by the request to the service, oldest first. */
  private readonly entries = new Map<string, Entry>();

  /** `cookieName`: only this cookie is sent to the service. Without it, all cookies are. */
  constructor(
    private readonly endpoint: Pick<VerifyEndpoint, 'ask'>,
    private readonly cookieName: string | undefined,
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  /** The number of answers held. */
  get size(): number {
    return this.entries.size;
  }

  /**
   * Returns the principal of a session; undefined if the request has no cookie that could be a session. Throws the service's refusal, or
   * 503.
   */
  async principalOf(request: PresentedRequest): Promise<Principal | undefined> {
    const headers = this.questionAbout(request);
    if (headers === undefined) return undefined;
    const { outcome, askedAt } = await this.answerTo(headers);
    // A refusal stays true. A principal may have lost its session since.
    if (outcome instanceof AuthError) throw outcome;
    if (this.monotonic() - askedAt >= MAX_AGE_MS) throw unavailable(new Error('the answer took too long'));
    if (outcome.scheme !== 'session') throw unavailable(new Error('the service saw no session'));
    return outcome;
  }

  private questionAbout({ method, header }: PresentedRequest): Record<string, string> | undefined {
    const cookie = this.cookiesIn(header('cookie'));
    if (cookie === undefined) return undefined;
    const headers: Record<string, string> = { cookie };
    for (const name of ORIGIN_HEADERS) {
      const value = header(name);
      if (value !== undefined) headers[name] = value;
    }
    const altered = ALTERING_HEADERS.some((name) => header(name) !== undefined);
    if (method !== undefined && !altered) headers['x-forwarded-method'] = method;
    return headers;
  }

  private cookiesIn(header: string | undefined): string | undefined {
    if (header === undefined || header.trim() === '') return undefined;
    if (this.cookieName === undefined) return header;
    const ours = header.split(';').filter((pair) => pair.split('=', 1)[0]!.trim() === this.cookieName);
    return ours.length === 0 ? undefined : ours.map((pair) => pair.trim()).join('; ');
  }

  private async answerTo(headers: Record<string, string>): Promise<Judgement> {
    const key = await keyOf(headers);
    const now = this.monotonic();
    const known = this.entries.get(key);
    if (known !== undefined && now - known.askedAt < MAX_AGE_MS) return known.judgement;
    const entry = { askedAt: now, judgement: this.endpoint.ask(headers) };
    this.entries.delete(key);
    this.entries.set(key, entry);
    this.makeRoom(now);
    // A failure is no answer.
    entry.judgement.catch(() => this.entries.get(key) === entry && this.entries.delete(key));
    return entry.judgement;
  }

  private makeRoom(now: number): void {
    for (const [key, { askedAt }] of this.entries) {
      if (this.entries.size <= CAPACITY && now - askedAt < MAX_AGE_MS) return;
      this.entries.delete(key);
    }
  }
}

/** A hash, so that memory holds no cookies and an entry has a fixed size. */
async function keyOf(headers: Record<string, string>): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(Object.entries(headers)));
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  return String.fromCharCode(...new Uint16Array(digest));
}
