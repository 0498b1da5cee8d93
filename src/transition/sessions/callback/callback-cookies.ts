import { createHash, createHmac, randomBytes } from 'node:crypto';
import { unavailable } from '../../../common/common.errors.js';
import { RecentMap } from '../../../common/recent-map.js';
import { SharedWork } from '../../../common/shared-work.js';
import { describedIn } from './callback-answer.js';
import type { DescribedSession } from './callback-answer.js';
import type { CallbackClient } from './callback-client.js';

/** How long an answer counts after Tandem asked, in ms. */
export const CACHED_MS = 2_000;

/** Answers that are kept at the same time. */
const MOST_ANSWERS = 10_000;

/** A session of the product, under the id that Tandem uses for it. */
export interface AnsweredSession extends DescribedSession {
  readonly sid: string;
  /** Monotonic, in milliseconds. */
  readonly askedAt: number;
}

interface Answer {
  readonly askedAt: number;
  /** The session; undefined if nobody is logged in. */
  readonly session: AnsweredSession | undefined;
}

/** What all requests to the product have in common. */
export interface CookieQuestions {
  readonly url: string;
  readonly secret: string;
  /** The name of the session cookie. */
  readonly name: string;
  readonly monotonic: () => number;
  /** Milliseconds on the database's clock. */
  readonly now: () => number;
  /** Ends the calls that are under way: they fail. */
  readonly signal: AbortSignal;
}

/**
 * Asks the product who is behind a cookie. There is one call at a time per cookie: calls with the same cookie share it. An answer counts
 * for two seconds at most. It is kept under a MAC of everything that was sent, so it can answer no other question, and no cookie is kept.
 */
export class CallbackCookies {
  private readonly key = randomBytes(32);
  private readonly calls = new SharedWork<AnsweredSession | undefined>();
  private readonly running = new Map<string, Promise<AnsweredSession | undefined>>();
  private readonly answers = new RecentMap<Answer>(MOST_ANSWERS);

  constructor(
    private readonly client: CallbackClient,
    private readonly questions: CookieQuestions,
  ) {}

  /**
   * The session of a cookie's value; undefined if the product says that nobody is logged in. `again`: only an answer to a question from now
   * on counts. Throws 503.
   */
  ask(value: string, again = false): Promise<AnsweredSession | undefined> {
    const cookie = `${this.questions.name}=${value}`;
    const question = this.macOf(cookie);
    if (!again) {
      const answer = this.answers.get(question);
      if (answer !== undefined && this.isFresh(answer)) return Promise.resolve(answer.session);
      const running = this.running.get(question);
      if (running !== undefined) return running;
    }
    return this.calls.run(question, () => {
      const call = this.call(question, cookie).finally(() => this.running.delete(question));
      this.running.set(question, call);
      return call;
    });
  }

  /** The answer about the cookie does not count any more. */
  drop(value: string): void {
    this.answers.delete(this.macOf(`${this.questions.name}=${value}`));
  }

  /** Whether the answer still counts. */
  isFresh({ askedAt }: Pick<Answer, 'askedAt'>): boolean {
    return this.questions.monotonic() - askedAt < CACHED_MS;
  }

  private async call(question: string, cookie: string): Promise<AnsweredSession | undefined> {
    const { monotonic, now, signal } = this.questions;
    const [askedAt, time] = [monotonic(), now()];
    try {
      const described = describedIn(await this.client.call({ method: 'GET', cookie, signal }), time);
      const isLive = described !== undefined && described.expiresAt > time;
      const session = isLive ? { ...described, sid: sidOf(described.session), askedAt } : undefined;
      this.answers.set(question, { askedAt, session });
      return session;
    } catch (error) {
      throw unavailable(error);
    }
  }

  private macOf(cookie: string): string {
    const { url, secret } = this.questions;
    return createHmac('sha256', this.key)
      .update(JSON.stringify(['GET', url, secret, cookie]))
      .digest('base64url');
  }
}

/**
 * The id that Tandem uses for a session of the product: a hash, because a product may name its sessions by what is in the cookie. So
 * nothing that Tandem stores, lists or logs signs anybody in.
 */
export function sidOf(session: string): string {
  return createHash('sha256').update(session).digest('base64url');
}
