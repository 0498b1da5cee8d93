import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { unavailable } from '../../../common/common.errors.js';
import { sameSecret } from '../../../common/crypto/constant-time.js';
import { RecentMap } from '../../../common/recent-map.js';
import { canonicalExternalId } from '../../../users/external-id.js';
import type { TransitionConfig } from '../../transition.settings.js';
import type { StoredCookie } from '../stores/express-session.codec.js';
import { RemoteSessions } from '../stores/remote/remote-sessions.js';
import type { RemoteSession } from '../stores/remote/remote-sessions.js';
import type { NewSession } from '../stores/session.store.js';
import { newCookiesIn } from './callback-answer.js';
import { CallbackFailure } from './callback-client.js';
import type { CallbackClient } from './callback-client.js';
import { CACHED_MS } from './callback-cookies.js';
import type { AnsweredSession, CallbackCookies } from './callback-cookies.js';
import type { SessionCredentialStore } from './session-credential.store.js';

/** The number of sessions that one step asks about or ends. */
const AT_ONCE = 16;

/** The number of sessions whose last answer this node remembers, and whose credentials it has stored. */
const MOST_REMEMBERED = 50_000;

/** Milliseconds. */
const LONGEST_DELETION_MS = 4_000;

/** The number of cookies of one request that are checked. Each costs a call. */
const MOST_COOKIES = 4;

/** Visible ASCII, which a Cookie header can carry. RFC 6265, section 4.1.1, allows a little less. */
const VALUE = /^[!-~]{1,4096}$/;

/**
 * Sessions of a product that keeps them where Tandem cannot read them: SESSION_STORE=callback. The product says whose session a cookie is,
 * creates sessions and ends them.
 */
export class CallbackSessions extends RemoteSessions {
  /** The product does not revive a deleted session, so a deletion is repeated only until the product has confirmed it. */
  readonly revives = false;
  readonly opaque = true;
  private readonly answered = new RecentMap<AnsweredSession>(MOST_REMEMBERED);
  private readonly saved = new RecentMap<string>(MOST_REMEMBERED);
  private readonly path: readonly string[];
  private readonly name: string;
  private readonly cookie: StoredCookie;

  constructor(
    private readonly client: CallbackClient,
    private readonly cookies: CallbackCookies,
    private readonly credentials: SessionCredentialStore,
    private readonly stopped: AbortController,
    config: TransitionConfig,
  ) {
    super();
    this.path = config.sessionUserKey.split('.');
    this.name = config.sessionCookieName;
    this.cookie = cookieIn(config);
  }

  get failures(): number {
    return this.client.failures;
  }

  /** Returns the sessions of the given cookie values. Throws 503. */
  async sidsOf(values: readonly string[]): Promise<readonly string[]> {
    const usable = values.filter((value) => VALUE.test(value)).slice(0, MOST_COOKIES);
    const sids = await Promise.all(
      usable.map(async (value) => {
        const session = await this.cookies.ask(value);
        if (session !== undefined) await this.remember(session, value);
        return session?.sid;
      }),
    );
    return [...new Set(sids.filter((sid) => sid !== undefined))];
  }

  /** Finds sessions from cached answers that are fresh. Asks the product about the others, by the cookie that was seen last. */
  async find(sids: readonly string[], again = false): Promise<RemoteSession[]> {
    const found: RemoteSession[] = [];
    const others: string[] = [];
    for (const sid of sids) {
      const session = again ? undefined : this.answered.get(sid);
      if (session !== undefined && this.cookies.isFresh(session)) found.push(this.remote(session));
      else others.push(sid);
    }
    for (const part of partsOf(others)) {
      const known = await this.credentials.find(part);
      const asked = await Promise.all(
        [...known].map(([sid, { cookie }]) => this.askAbout(sid, cookie, again)),
      );
      found.push(...asked.filter((session) => session !== undefined));
    }
    return found;
  }

  /** Lets the product create a session, under the product's own id. Throws 503 if its answer is not a new session of this user. */
  async save<Session extends NewSession>(session: Session): Promise<Session> {
    const user = this.userIn(session.sess);
    try {
      const answer = await this.client.call({ method: 'POST', body: { user }, signal: this.stopped.signal });
      const { lines, value } = newCookiesIn(answer, this.name);
      const begun = await this.cookies.ask(value);
      if (begun === undefined) throw new CallbackFailure('NOT_BEGUN');
      if (canonicalExternalId(begun.user) !== canonicalExternalId(user))
        throw new CallbackFailure('OTHER_USER');
      if (await this.credentials.isKnown(begun.sid)) throw new CallbackFailure('OLD_SESSION');
      await this.credentials.save(begun.sid, { session: begun.session, cookie: value, lines });
      this.answered.set(begun.sid, begun);
      this.saved.set(begun.sid, fingerprint(value));
      const { sid, expiresAt } = begun;
      return {
        ...session,
        sid,
        expiresAt,
        sess: { ...session.sess, cookie: this.cookie },
        setCookies: lines,
      };
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Does nothing, because Tandem cannot extend a session of the product. */
  async extend(): Promise<ReadonlySet<string>> {
    return new Set();
  }

  /**
   * Ends sessions at the product. Throws 503 until the product has confirmed each of them. Starts no further step after four seconds: the
   * caller repeats the call, which continues with the rest.
   */
  async delete(sids: readonly string[]): Promise<void> {
    const began = performance.now();
    for (const part of partsOf(sids)) {
      if (performance.now() - began > LONGEST_DELETION_MS) throw unavailable(new CallbackFailure('TOO_MANY'));
      const known = [...(await this.credentials.find(part))];
      const ended = await Promise.allSettled(known.map(([, { session }]) => this.end({ session })));
      await this.forget(known.filter((_, index) => ended[index]!.status === 'fulfilled').map(([sid]) => sid));
      const failure = ended.find(({ status }) => status === 'rejected');
      if (failure?.status === 'rejected') throw failure.reason;
    }
  }

  /**
   * Lets the product end every session of these users, even the session in which a password was changed. A family that is linked to that
   * session stays live. Returns when no node has an older answer any more.
   */
  async endUnseen(names: ReadonlySet<string>): Promise<void> {
    for (const part of partsOf(await this.credentials.inProduct(names)))
      await Promise.all(
        part.map(async (user) => {
          await this.credentials.unlink(user);
          await this.end({ user });
          await this.credentials.unlink(user);
        }),
      );
    await delay(CACHED_MS, undefined, { ref: false, signal: this.stopped.signal });
  }

  /** Does nothing, because the product reports ended sessions: see SessionEndsService. */
  async watch(): Promise<void> {}

  /** Finds nothing, because the product cannot list its sessions. */
  async sample(): Promise<readonly string[]> {
    return [];
  }

  /** Forgets a session that the product has ended. The product needs no report about it. */
  async forget(sids: readonly string[]): Promise<void> {
    for (const { cookie } of (await this.credentials.find(sids)).values()) this.cookies.drop(cookie);
    await this.credentials.remove(sids);
    for (const sid of sids) {
      this.saved.delete(sid);
      this.answered.delete(sid);
    }
  }

  /** Returns the Set-Cookie lines with which the product created the session. */
  async setCookiesOf(sid: string): Promise<readonly string[] | undefined> {
    return (await this.credentials.find([sid])).get(sid)?.lines;
  }

  /** Returns the status of the product's answer to a request without a session cookie. Throws CallbackFailure. */
  async statusWithoutCookie(): Promise<number> {
    return (await this.client.call({ method: 'GET', signal: this.stopped.signal })).status;
  }

  async close(): Promise<void> {
    this.stopped.abort();
    this.client.close();
  }

  /** Asks the product about a session; undefined if the session is gone, or if its cookie belongs to another session now. */
  private async askAbout(sid: string, cookie: string, again: boolean): Promise<RemoteSession | undefined> {
    const session = await this.cookies.ask(cookie, again);
    if (session?.sid !== sid) return undefined;
    this.answered.set(sid, session);
    return this.remote(session);
  }

  /** Stores the session and its cookie, so that any node can ask the product about it at a refresh, and report its end. */
  private async remember(session: AnsweredSession, value: string): Promise<void> {
    const { sid } = session;
    this.answered.set(sid, session);
    const print = fingerprint(value);
    if (sameSecret(this.saved.get(sid), print)) return;
    const known = (await this.credentials.find([sid])).get(sid);
    if (!sameSecret(known && fingerprint(known.cookie), print))
      await this.credentials.save(sid, {
        session: session.session,
        cookie: value,
        ...(known?.lines && { lines: known.lines }),
      });
    this.saved.set(sid, print);
  }

  private async end(body: { readonly session: string } | { readonly user: string }): Promise<void> {
    try {
      const { status } = await this.client.call({ method: 'DELETE', body, signal: this.stopped.signal });
      if (status !== 204) throw new CallbackFailure(`HTTP_${status}`);
    } catch (error) {
      throw unavailable(error);
    }
  }

  private remote({ sid, user, expiresAt }: AnsweredSession): RemoteSession {
    return { sid, user, expiresAt, cookie: this.cookie };
  }

  private userIn(sess: object): string {
    const user = this.path.reduce<unknown>((held, step) => Object(held)[step], sess);
    return String(user);
  }
}

/** The attributes with which Tandem clears the cookie that the product writes. */
function cookieIn(config: TransitionConfig): StoredCookie {
  const { sessionCookieDomain: domain, sessionCookiePartitioned: partitioned } = config;
  return {
    originalMaxAge: null,
    path: config.sessionCookiePath,
    sameSite: config.sessionCookieSameSite,
    secure: config.sessionCookieSecure,
    httpOnly: true,
    ...(partitioned ? { partitioned } : {}),
    ...(domain === undefined ? {} : { domain }),
  };
}

function partsOf<Item>(items: readonly Item[]): (readonly Item[])[] {
  const count = Math.ceil(items.length / AT_ONCE);
  return Array.from({ length: count }, (_, index) => items.slice(index * AT_ONCE, (index + 1) * AT_ONCE));
}

function fingerprint(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}
